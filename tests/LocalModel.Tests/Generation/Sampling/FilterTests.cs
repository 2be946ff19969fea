using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Tests.Generation.Sampling;

/// <summary>The filters against plain definitions, on vocabularies large enough for their short cuts.</summary>
public sealed class FilterTests
{
    private const int Vocabulary = 5000;

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(0.99, 1)]
    [InlineData(0.999999, 1)]
    [InlineData(0.1, 40)]
    public void TopP_keeps_the_smallest_set_that_holds_the_mass(double p, int minTokensToKeep)
    {
        foreach (double spread in (double[])[0.1, 2, 8, 40])
        {
            float[] logits = Logits(spread);
            var sorted = logits.Select((x, id) => (x, id)).OrderByDescending(e => e.x).ThenBy(e => e.id).ToArray();
            double total = sorted.Sum(e => Math.Exp((double)e.x - sorted[0].x)), before = 0;
            var kept = new HashSet<int>();
            foreach (var (x, id) in sorted)
            {
                if (kept.Count >= minTokensToKeep && before >= (float)p)
                    break;
                kept.Add(id);
                before += Math.Exp((double)x - sorted[0].x) / total;
            }

            new TopP((float)p, minTokensToKeep).Apply(logits, [], new SamplingScratch(Vocabulary));
            Assert.Equal(kept.Order(), Kept(logits));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(4999)]
    public void TopK_keeps_the_k_largest(int k)
    {
        float[] logits = Logits(3);
        var expected = logits.Select((x, id) => (x, id)).OrderByDescending(e => e.x).Take(k).Select(e => e.id).Order().ToArray();
        new TopK(k).Apply(logits, [], new SamplingScratch(Vocabulary));
        Assert.Equal(expected, Kept(logits));
    }

    [Fact]
    public void Processors_leave_their_scratch_memory_as_they_found_it()
    {
        var options = new SamplingOptions
        {
            Temperature = 0.8f,
            TopK = 300,
            TopP = 0.9f,
            TypicalP = 0.95f,
            MinP = 0.001f,
            RepetitionPenalty = 1.2f,
            FrequencyPenalty = 0.5f,
            DryMultiplier = 1,
            NoRepeatNgramSize = 2,
            Seed = 4,
            XtcProbability = 1,
        };
        int[] ids = [1, 2, 3, 1, 2];
        var used = new SamplingScratch(Vocabulary);
        var sampler = new TokenSampler(options, [], 2);
        int first = sampler.Next(Logits(2), ids, used);
        for (int i = 0; i < 5; i++)
            sampler.Next(Logits(1), [9, 9, 9, 9], used);
        Assert.Equal(first, sampler.Next(Logits(2), ids, used));
    }

    private static float[] Logits(double spread)
    {
        var random = new Random(12);
        return [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(spread * random.NextDouble() * random.NextDouble() * 4))];
    }

    private static int[] Kept(float[] logits) => [.. Enumerable.Range(0, logits.Length).Where(id => logits[id] > float.NegativeInfinity)];
}
