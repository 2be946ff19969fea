using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Tests.Generation.Sampling;

public sealed class TokenSamplerTests
{
    private static readonly float[] Logits = [.. new[] { 0.5, 0.25, 0.125, 0.125 }.Select(p => (float)Math.Log(p))];

    [Fact]
    public void Draws_follow_the_distribution()
    {
        const int Draws = 4000;
        var counts = new int[Logits.Length];
        foreach (int id in Draw(new SamplingOptions { Seed = 3 }, Draws))
            counts[id]++;
        double[] p = [0.5, 0.25, 0.125, 0.125];
        double chiSquare = p.Select((q, id) => Math.Pow(counts[id] - q * Draws, 2) / (q * Draws)).Sum();
        Assert.True(chiSquare < 16.3, $"chi-square {chiSquare} with 3 degrees of freedom"); // one in a thousand; the seed is fixed
    }

    [Fact]
    public void The_same_seed_draws_the_same_and_another_seed_differs()
    {
        Assert.Equal(Draw(new SamplingOptions { Seed = 3 }, 50), Draw(new SamplingOptions { Seed = 3 }, 50));
        Assert.NotEqual(Draw(new SamplingOptions { Seed = 3 }, 50), Draw(new SamplingOptions { Seed = 4 }, 50));
        Assert.NotEqual(new TokenSampler(new SamplingOptions(), [], 1).Seed, new TokenSampler(new SamplingOptions(), [], 1).Seed);
    }

    [Fact]
    public void A_draw_depends_on_its_position_and_not_on_the_draws_before_it()
    {
        int[] inOrder = Draw(new SamplingOptions { Seed = 8 }, 20);
        var scratch = new SamplingScratch(Logits.Length);
        for (int i = 19; i >= 0; i--)
            Assert.Equal(inOrder[i], new TokenSampler(new SamplingOptions { Seed = 8 }, [], 1).Next([.. Logits], new int[i + 1], scratch));
    }

    [Fact]
    public void Greedy_takes_the_lowest_id_among_equals()
        => Assert.Equal(1, new TokenSampler(SamplingOptions.Greedy, [], 1).Next([0, 2, 1, 2], [0], new SamplingScratch(4)));

    [Fact]
    public void A_ban_of_every_token_is_an_error()
        => Assert.Throws<SamplingException>(() => new TokenSampler(SamplingOptions.Greedy with { SuppressTokens = [0, 1, 2, 3] }, [], 1).Next([.. Logits], [0], new SamplingScratch(4)));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_logit_that_is_no_number_is_an_error(float broken)
        => Assert.Throws<SamplingException>(() => new TokenSampler(new SamplingOptions { TopK = 2, TopP = 0.9f }, [], 1).Next([0, broken, 1, 2], [0], new SamplingScratch(4)));

    public static TheoryData<SamplingOptions> OutOfRange => new()
    {
        new SamplingOptions { Temperature = -1 }, new SamplingOptions { Temperature = float.NaN }, new SamplingOptions { TopK = -1 }, new SamplingOptions { TopP = 1.1f },
        new SamplingOptions { MinP = -0.1f }, new SamplingOptions { TypicalP = 2 }, new SamplingOptions { RepetitionPenalty = 0 }, new SamplingOptions { NoRepeatNgramSize = -2 },
        new SamplingOptions { MinNewTokens = -1 }, new SamplingOptions { FrequencyPenalty = float.PositiveInfinity }, new SamplingOptions { SuppressTokens = [4] },
        new SamplingOptions { LogitBias = new Dictionary<int, float> { [-1] = 1 } }, new SamplingOptions { BadWords = [[1, 9]] }, new SamplingOptions { MinTokensToKeep = 0 },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void Validate_refuses_values_out_of_range(SamplingOptions options) => Assert.Throws<ArgumentOutOfRangeException>(() => options.Validate(4));

    private static int[] Draw(SamplingOptions options, int count)
    {
        var sampler = new TokenSampler(options, [], promptLength: 1);
        var scratch = new SamplingScratch(Logits.Length);
        List<int> ids = [0];
        for (int i = 0; i < count; i++)
            ids.Add(sampler.Next([.. Logits], ids.ToArray(), scratch));
        return [.. ids.Skip(1)];
    }
}
