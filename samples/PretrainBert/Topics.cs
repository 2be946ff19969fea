using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Samples.PretrainBert;

/// <summary>
/// Texts of four topics. A few labelled ones hold a part of a topic's words alone; which words belong together is in the others.
/// </summary>
internal static class Topics
{
    private static readonly (string Label, string[] Words)[] All =
    [
        ("garden", "rose tulip hedge lawn spade soil seed weed bloom pond shed rake moss fern ivy bulb".Split(' ')),
        ("kitchen", "oven knife bread soup salt pepper plate spoon butter onion flour sugar kettle apron grill dough".Split(' ')),
        ("sea", "boat wave sail anchor harbour tide gull crab net storm island coral whale deck rope beach".Split(' ')),
        ("music", "violin drum song choir flute tune rhythm chord opera piano stage horn melody concert harp tempo".Split(' ')),
    ];

    public static string[] Texts(int count, int seed) => [.. Labelled(count, seed, words: 8).Select(text => text.Text)];

    public static (string Label, string Text)[] Labelled(int count, int seed, int words = 3)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var (label, of) = All[i % All.Length];
            return (label, string.Join(' ', Enumerable.Range(0, words).Select(_ => of[random.Next(of.Length)])));
        })];
    }

    /// <summary>The baseline: the label of the learned text that shares most words with a held-out one.</summary>
    public static double SharedWords(LabeledText[] learned, LabeledText[] heldOut)
        => heldOut.Average(text
            => learned.MaxBy(other => other.Text.Split(' ').Intersect(text.Text.Split(' ')).Count())!.Label == text.Label ? 1.0 : 0.0);
}
