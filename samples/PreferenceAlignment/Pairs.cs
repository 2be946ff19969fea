using System.Globalization;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Samples.PreferenceAlignment;

/// <summary>Pairs of answers: the better one does what the prompt asks, the worse one makes one mistake.</summary>
internal static class Pairs
{
    private static readonly string[] Things = ["lamp", "chair", "table", "book", "cup", "plate", "coat", "ring", "ball", "bell"];
    private static readonly string[] Places = ["shelf", "desk", "floor", "wall", "cart", "porch"];

    public static PreferencePair[] Generate(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            string[] things = [.. Things], places = [.. Places];
            random.Shuffle(things);
            random.Shuffle(places);
            int times = random.Next(2, 5);
            return random.Next(3) switch
            {
                0 => new PreferencePair($"Put the {things[0]} on the {places[0]}:", $" the {things[0]} is on the {places[0]} now.",
                    $" the {things[0]} is on the {places[1]} now."),
                1 => new PreferencePair(string.Create(CultureInfo.InvariantCulture, $"Say {things[0]} {times} times:"),
                    Repeat(things[0], times), Repeat(things[0], times - 1)),
                _ => new PreferencePair($"First {things[0]}, then {things[1]}:", $" {things[0]} and then {things[1]}.",
                    $" {things[1]} and then {things[0]}."),
            };
        })];
    }

    /// <summary>The baseline: a logistic regression on the differences of word counts.</summary>
    /// <returns>The share of the held-out pairs whose better answer it prefers.</returns>
    public static double BagOfWords(PreferencePair[] train, PreferencePair[] heldOut)
    {
        var weights = new Dictionary<string, double>();
        for (int epoch = 0; epoch < 10; epoch++)
            foreach (var pair in train)
            {
                double step = 0.1 / (1 + Math.Exp(Score(pair)));
                foreach (var word in pair.Chosen.Split(' '))
                    weights[word] = weights.GetValueOrDefault(word) + step;
                foreach (var word in pair.Rejected.Split(' '))
                    weights[word] = weights.GetValueOrDefault(word) - step;
            }

        return heldOut.Count(pair => Score(pair) > 0) / (double)heldOut.Length;

        double Score(PreferencePair pair) => pair.Chosen.Split(' ').Sum(word => weights.GetValueOrDefault(word))
            - pair.Rejected.Split(' ').Sum(word => weights.GetValueOrDefault(word));
    }

    private static string Repeat(string word, int times) => string.Concat(Enumerable.Repeat(" " + word, times)) + ".";
}
