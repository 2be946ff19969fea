using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Tests.Generation.Sampling;

public sealed class TokenSamplerTests
{
    private static readonly float[] Logits = [.. new[] { 0.5, 0.25, 0.125, 0.125 }.Select(p => (float)Math.Log(p))];

    [Theory]
    [InlineData(DrawMethod.InverseCdf)]
    [InlineData(DrawMethod.Gumbel)]
    public void Draws_follow_the_distribution(DrawMethod method)
    {
        const int Draws = 4000;
        var counts = new int[Logits.Length];
        foreach (int id in Draw(new SamplingOptions { Seed = 3, DrawMethod = method }, Draws))
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
    public void Mirostat_keeps_the_surprise_near_its_target()
    {
        // A long-tailed distribution (Zipf's), drawn at a target of 3 bits.
        float[] logits = [.. Enumerable.Range(1, 4000).Select(rank => -(float)Math.Log(rank))];
        var mirostat = new Mirostat(target: 3, learningRate: 0.1);
        var scratch = new SamplingScratch(logits.Length);
        var random = new Random(5);
        double bits = 0;
        int draws = 0;
        for (int step = 0; step < 400; step++)
        {
            double before = mirostat.Limit;
            mirostat.Next(logits, random.NextDouble(), scratch);
            if (step < 50)
                continue;
            bits += 3 - (mirostat.Limit - before) / 0.1;
            draws++;
        }

        Assert.InRange(bits / draws, 2.8, 3.2);
    }

    [Fact]
    public void Speculation_draws_from_the_target_distribution()
    {
        float[] p = [0.5f, 0.25f, 0.125f, 0.125f], q = [0.1f, 0.4f, 0.3f, 0.2f];
        const int Draws = 4000;
        var counts = new int[p.Length];
        var random = new Random(11);
        var residual = new double[p.Length];
        for (int i = 0; i < Draws; i++)
        {
            int proposed = TokenSampler.InverseCdf([.. q], random.NextDouble());
            var (accepted, next) =
                SpeculativeAcceptance.Decide(q, [.. p, .. p], [proposed], [random.NextDouble()], random.NextDouble(), residual);
            counts[accepted == 1 ? proposed : next]++;
        }

        double chiSquare = p.Select((x, id) => Math.Pow(counts[id] - x * Draws, 2) / (x * Draws)).Sum();
        Assert.True(chiSquare < 16.3, $"chi-square {chiSquare} with 3 degrees of freedom");
    }

    [Fact]
    public void Forced_tokens_stand_at_the_limit_and_not_before()
    {
        var sampler = new TokenSampler(SamplingOptions.Greedy with { ForcedLastTokens = [3] }, [], promptLength: 1, maxLength: 4);
        var scratch = new SamplingScratch(Logits.Length);
        Assert.Equal(0, sampler.Next([.. Logits], [0, 0], scratch));
        Assert.Equal(3, sampler.Next([.. Logits], [0, 0, 0], scratch));
    }

    [Fact]
    public void Tokens_suppressed_at_the_beginning_come_later()
    {
        var sampler = new TokenSampler(SamplingOptions.Greedy with { BeginSuppressTokens = [0], MinLength = 4 }, [1], promptLength: 2);
        var scratch = new SamplingScratch(Logits.Length);
        Assert.Equal(2, sampler.Next([.. Logits], [0, 0], scratch));
        Assert.Equal(0, sampler.Next([.. Logits], [0, 0, 2], scratch));
    }

    [Fact]
    public void Mirostat_and_the_Gumbel_draw_exclude_each_other()
        => Assert.Throws<ArgumentException>(() => new SamplingOptions { MirostatTau = 3, DrawMethod = DrawMethod.Gumbel }.Validate(4));

    [Fact]
    public void Greedy_takes_the_lowest_id_among_equals()
        => Assert.Equal(1, new TokenSampler(SamplingOptions.Greedy, [], 1).Next([0, 2, 1, 2], [0], new SamplingScratch(4)));

    [Fact]
    public void A_ban_of_every_token_is_an_error()
        => Assert.Throws<SamplingException>(
            () => new TokenSampler(SamplingOptions.Greedy with { SuppressTokens = [0, 1, 2, 3] }, [], 1).Next([.. Logits], [0],
                new SamplingScratch(4)));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_logit_that_is_no_number_is_an_error(float broken)
        => Assert.Throws<SamplingException>(
            () => new TokenSampler(new SamplingOptions { TopK = 2, TopP = 0.9f }, [], 1).Next([0, broken, 1, 2], [0],
                new SamplingScratch(4)));

    public static TheoryData<SamplingOptions> OutOfRange => new()
    {
        new SamplingOptions { Temperature = -1 }, new SamplingOptions { Temperature = float.NaN }, new SamplingOptions { TopK = -1 },
        new SamplingOptions { TopP = 1.1f },
        new SamplingOptions { MinP = -0.1f }, new SamplingOptions { TypicalP = 2 }, new SamplingOptions { RepetitionPenalty = 0 },
        new SamplingOptions { NoRepeatNgramSize = -2 },
        new SamplingOptions { MinNewTokens = -1 }, new SamplingOptions { FrequencyPenalty = float.PositiveInfinity },
        new SamplingOptions { SuppressTokens = [4] },
        new SamplingOptions { LogitBias = new Dictionary<int, float> { [-1] = 1 } }, new SamplingOptions { BadWords = [[1, 9]] },
        new SamplingOptions { MinTokensToKeep = 0 },
        new SamplingOptions { MirostatTau = -1 }, new SamplingOptions { ForcedLastTokens = [7] },
        new SamplingOptions { LengthDecay = new LengthDecay(-1, 1) }, new SamplingOptions { MinLength = -1 },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void Validate_refuses_values_out_of_range(SamplingOptions options)
        => Assert.Throws<ArgumentOutOfRangeException>(() => options.Validate(4));

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
