using System.Text.Json;
using Kotonoha.Cli;
using Kotonoha.Cli.Training;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha sample</c> as a process: a model writes answers, and models learn from those that are right.</summary>
[Trait("Category", "EndToEnd")]
public sealed class SampleCommandTests : IDisposable
{
    private const string Small = "--depth 1 --context 16 --vocabulary 300 --steps 60";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_that_learns_its_own_right_answers_is_right_more_often()
    {
        // Of the answers that it has seen two of five are wrong.
        Lines("mixed.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", completion = $"{i % 4 + i % 3 + i / 12 % 2}" });
        Run($"train completions --data mixed.jsonl --out first {Small}");
        Lines("tasks.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", answer = $"#### {i % 4 + i % 3}" });
        const string Sampling = "--data tasks.jsonl --samples 6 --verify --max-tokens 4 --seed 3 --json";
        var before = JsonElement.Parse(Run($"sample first --out right.jsonl {Sampling}"));
        Assert.Equal(60, before.GetProperty("prompts").GetInt32());
        Assert.Equal(360, before.GetProperty("sampled").GetInt32());
        string[] lines = File.ReadAllLines(_folder.At("right.jsonl"));
        Assert.Equal(before.GetProperty("kept").GetInt32(), lines.Length);
        Assert.All(lines, line =>
        {
            var answer = JsonElement.Parse(line);
            var terms = answer.GetProperty("prompt").GetString()!.TrimEnd('=').Split('+').Select(int.Parse);
            Assert.EndsWith($"{terms.Sum()}", answer.GetProperty("completion").GetString(), StringComparison.Ordinal);
        });

        Run("train completions --data right.jsonl --out second --model first --steps 200");
        var after = JsonElement.Parse(Run($"sample second --out again.jsonl {Sampling}"));
        Assert.True(Accepted(after) > Accepted(before) + 0.2, $"{Accepted(before)} {Accepted(after)}");

        // What was sampled before a run was stopped is not sampled again, and what is left is as if it had not been stopped.
        var options = new CompletionSamplerOptions { Samples = 6, MaxTokens = 4, Seed = 3 };
        var settings = SampledFile.SettingsOf(_folder.At("first"), null, _folder.At("tasks.jsonl"), true, options);
        using (var part = SampledFile.Open(_folder.At("resumed.jsonl"), settings))
            for (int i = 0; i < 20; i++)
                part.Add(new SampledCompletions(new SampledPrompt(GenerationRequest.FromPrompt("")), [$"kept {i}"], 6, 6, 1, 12));
        File.AppendAllText(_folder.At("resumed.jsonl.part"), "{\"kept\": [\"broke o");
        Run($"sample first --out resumed.jsonl {Sampling}");
        string[] resumed = File.ReadAllLines(_folder.At("resumed.jsonl"));
        Assert.All(Enumerable.Range(0, 20), i => Assert.Contains($"\"kept {i}\"", resumed[i], StringComparison.Ordinal));
        Assert.Equal(lines[^(resumed.Length - 20)..], resumed[20..]);
        Assert.False(File.Exists(_folder.At("resumed.jsonl.part")));

        using (SampledFile.Open(_folder.At("other.jsonl"), settings))
            Assert.Throws<UsageException>(() => SampledFile.Open(_folder.At("other.jsonl"), settings));
        Assert.Throws<UsageException>(() => SampledFile.Open(_folder.At("other.jsonl"), settings + " "));

        foreach (var (arguments, words) in ((string, string)[])[($"--out right.jsonl {Sampling}", "the file is there"),
            ("--out new.jsonl --data tasks.jsonl --temperature 0", "add --samples 1"),
            ("--out new.jsonl --data tasks.jsonl --samples 0", "--samples 0: at least 1"),
            ("--out new.jsonl --data mixed.jsonl --verify", "mixed.jsonl, line 1: the text 'answer' is missing"),
            ("--out none/new.jsonl --data tasks.jsonl", "there is no folder")])
        {
            var (code, _, error) = CliProcess.Run(["sample", _folder.At("first"), .. At(arguments)]);
            Assert.Equal(words.Contains("missing", StringComparison.Ordinal) ? 1 : 2, code);
            Assert.Contains(words, error, StringComparison.Ordinal);
            Assert.False(File.Exists(_folder.At("new.jsonl")));
        }

        static double Accepted(JsonElement told) => told.GetProperty("accepted").GetDouble() / told.GetProperty("sampled").GetDouble();
    }

    [Fact]
    public void Messages_are_answered_by_messages_that_a_chat_is_trained_on()
    {
        object[] Asked(int i) => [new { role = "user", content = $"{i % 4}?" }];
        Lines("chat.jsonl", i => new { prompt = Asked(i), completion = new[] { new { role = "assistant", content = $"{i % 4}!" } } });
        Run("train chat --data chat.jsonl --out chat --depth 1 --context 48 --vocabulary 300 --steps 60");
        Lines("asked.jsonl", i => new { prompt = Asked(i) });
        Assert.Contains("kept", Run("sample chat --data asked.jsonl --out said.jsonl --samples 1 --temperature 0 --max-tokens 8"),
            StringComparison.Ordinal);
        Assert.Contains("{\"prompt\":[{\"role\":\"user\",\"content\":\"2?\"}],"
            + "\"completion\":[{\"role\":\"assistant\",\"content\":\"2!\"}]}",
            File.ReadAllText(_folder.At("said.jsonl")), StringComparison.Ordinal);
        Run("train chat --data said.jsonl --out student --depth 1 --context 48 --vocabulary 300 --steps 2");
    }

    private void Lines(string file, Func<int, object> line)
        => File.WriteAllLines(_folder.At(file), Enumerable.Range(0, 60).Select(i => JsonSerializer.Serialize(line(i))));

    private string Run(string arguments)
    {
        var (code, output, error) = CliProcess.Run(At(arguments));
        Assert.True(code == 0, error);
        return output;
    }

    // What is named behind --data, --out, --model and 'sample' lies in the folder.
    private string[] At(string arguments)
    {
        string[] words = arguments.Split(' ');
        return [.. words.Select((word, i) => i > 0 && words[i - 1] is ("--data" or "--out" or "--model" or "sample")
            ? _folder.At(word)
            : word)];
    }
}
