using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Tests.Support;

namespace Kotonoha.Benchmarks.Fuzz;

/// <summary>
/// <c>fuzz-templates COUNT SEED [FOLDER]</c>: random and mutated chat templates end in a text or in a
/// <see cref="ChatTemplateException"/>, soon.
/// </summary>
internal static class TemplateFuzz
{
    private const string Conversation = """
        [
          { "role": "system", "content": "Be brief." },
          { "role": "user", "content": "<|im_end|> 言の葉 😀?", "n": 1.5 },
          { "role": "assistant", "content": "yes", "tool_calls": [{ "function": { "name": "f", "arguments": { "a": [1, null, true] } } }] }
        ]
        """;

    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(10);

    public static int Run(string[] arguments)
    {
        if (arguments.Length is < 2 or > 3)
        {
            Console.Error.WriteLine("usage: fuzz-templates COUNT SEED [FOLDER]   (FOLDER: more templates to start from, *.jinja below it)");
            return 2;
        }

        int count = int.Parse(arguments[0], CultureInfo.InvariantCulture), seed = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        List<string> corpus = [.. TemplateMutator.Seeds];
        if (arguments.Length == 3)
        {
            var files = Directory.EnumerateFiles(arguments[2], "*.jinja", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
            corpus.AddRange(files.Select(File.ReadAllText));
        }

        var mutator = new TemplateMutator(seed, corpus);
        using var messages = JsonDocument.Parse(Conversation);
        var input = new ChatTemplateInput { Messages = messages.RootElement, AddGenerationPrompt = true, Now = DateTime.UnixEpoch };
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int failures = 0;
        var slowest = TimeSpan.Zero;
        var whole = Stopwatch.StartNew();
        for (int i = 0; i < count; i++)
        {
            var template = mutator.Next();
            var watch = Stopwatch.StartNew();
            string outcome;
            try
            {
                ChatTemplate.FromJinja(template).Apply(input);
                outcome = "rendered";
            }
            catch (ChatTemplateException exception)
            {
                outcome = exception.Error.ToString();
            }
            catch (Exception exception)
            {
                outcome = $"FAILED {exception.GetType().Name}";
                if (++failures <= 10)
                    Console.WriteLine($"{i}: {exception}\n{JsonSerializer.Serialize(template)}");
            }

            if (watch.Elapsed > LongestTime)
            {
                failures++;
                Console.WriteLine($"{i}: took {watch.Elapsed.TotalSeconds:F1} s\n{JsonSerializer.Serialize(template)}");
            }

            slowest = watch.Elapsed > slowest ? watch.Elapsed : slowest;
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{count} templates from seed {seed} in {whole.Elapsed.TotalSeconds:F0} s, the slowest {slowest.TotalMilliseconds:F0} ms; "
            + $"{failures} failures"));
        foreach (var (outcome, number) in outcomes)
            Console.WriteLine($"  {outcome}: {number}");
        return failures > 0 ? 1 : 0;
    }
}
