using System.Globalization;

namespace Kotonoha.Samples.FineTuning;

/// <summary>Two kinds of text about the same things: everyday sentences, and the short notes of a shop.</summary>
internal static class Notes
{
    private static readonly string[] Colours = ["red", "blue", "green", "white", "black", "brown"];
    private static readonly string[] Things = ["lamp", "chair", "table", "book", "cup", "plate", "coat", "ring", "ball", "bell"];
    private static readonly string[] Places = ["shelf", "desk", "floor", "wall", "cart", "porch"];

    public static string[] Everyday(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(3) switch
        {
            0 => $"The {Of(random, Colours)} {Of(random, Things)} is on the {Of(random, Places)} next to {Number(random)} others.",
            1 => $"Put {Number(random)} {Of(random, Colours)} {Of(random, Things)}s on the {Of(random, Places)}, please.",
            _ => $"Who took the {Of(random, Things)} from the {Of(random, Places)}? It was {Of(random, Colours)}.",
        })];
    }

    public static string[] Shop(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(2) switch
        {
            0 => $"{Of(random, Places)}: {Of(random, Things)}, {Of(random, Colours)}, {Number(random)} left",
            _ => $"order {Number(random)} {Of(random, Things)}, {Of(random, Colours)} -> {Of(random, Places)}",
        })];
    }

    private static string Of(Random random, string[] words) => words[random.Next(words.Length)];

    private static string Number(Random random) => random.Next(2, 10).ToString(CultureInfo.InvariantCulture);
}
