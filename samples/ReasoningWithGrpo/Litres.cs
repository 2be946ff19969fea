namespace Kotonoha.Samples.ReasoningWithGrpo;

/// <summary>
/// A problem of several steps. A tank holds nine litres: what is poured in beyond them is lost, and one cannot take more than there is.
/// "7+5-3=" has the result "6" and the worked steps "7+5=9,9-3=6,6".
/// </summary>
/// <param name="Question">The sum, up to its equals sign.</param>
/// <param name="Result">The litres at the end.</param>
/// <param name="Worked">Each step, then the result behind the last comma.</param>
internal sealed record Litres(string Question, string Result, string Worked)
{
    /// <summary>All that questions and answers are written with; a character is a token.</summary>
    public const string Characters = "0123456789+-=,";

    private const int Terms = 8;

    /// <summary>Problems that differ, as the seed gives them.</summary>
    public static Litres[] Draw(int count, int seed)
    {
        var random = new Random(seed);
        var problems = new Dictionary<string, Litres>();
        while (problems.Count < count)
        {
            int litres = random.Next(10);
            string question = $"{litres}", worked = "";
            for (int i = 1; i < Terms; i++)
            {
                int term = random.Next(1, 10);
                bool minus = random.Next(2) == 0;
                int next = Math.Clamp(minus ? litres - term : litres + term, 0, 9);
                string operation = $"{(minus ? '-' : '+')}{term}";
                question += operation;
                worked += $"{litres}{operation}={next},";
                litres = next;
            }

            problems.TryAdd(question, new Litres(question + "=", $"{litres}", $"{worked}{litres}"));
        }

        return [.. problems.Values];
    }
}
