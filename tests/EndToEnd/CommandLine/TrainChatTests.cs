using System.Text;
using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha train chat</c> as a process: conversations in, a model that answers them out.</summary>
[Trait("Category", "EndToEnd")]
public sealed class TrainChatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_learns_conversations_and_then_others()
    {
        Write("first.jsonl", "Who jumps?", "The quick brown fox.");
        var error = Train("first.jsonl", "model", "--context", "32", "--depth", "2", "--batch", "32", "--steps", "60", "--learning-rate",
            "0.005");
        Assert.Contains("held-out loss", error, StringComparison.Ordinal);

        // What it writes meanwhile is an answer in the form of its template.
        var samples = File.ReadAllLines(_folder.At("model/log.jsonl"))
            .Where(line => line.Contains("\"sample\"", StringComparison.Ordinal)).ToList();
        Assert.Equal(4, samples.Count);
        Assert.Matches(@"^Number 0\?\n\d+!$", JsonDocument.Parse(samples[^1]).RootElement.GetProperty("sample").GetString());
        Assert.Equal("The quick brown fox.", Ask("model", "Who jumps?"));

        Write("second.jsonl", "Who jumps?", "The lazy dog.");
        Train("second.jsonl", "tuned", "--model", _folder.At("model"), "--batch", "32", "--steps", "60", "--learning-rate",
            "0.003");
        Assert.Equal("The lazy dog.", Ask("tuned", "Who jumps?"));
        Assert.Equal("The quick brown fox.", Ask("model", "Who jumps?"));
    }

    [Fact]
    public void An_adapter_is_trained_on_conversations_and_what_is_held_out_comes_from_its_file()
    {
        Write("chat.jsonl", "Who jumps?", "The quick brown fox.");
        File.AppendAllText(_folder.At("chat.jsonl"), "{\"text\": \"no conversation\"}\n");
        Write("held.jsonl", "Who sleeps?", "The lazy dog.");
        Train("chat.jsonl", "model", "--context", "64", "--depth", "1", "--vocabulary", "300", "--steps", "5", "--skip-bad-lines");
        var error = Train("chat.jsonl", "tuned", "--model", _folder.At("model"), "--steps", "4", "--lora", "2", "--held-out",
            _folder.At("held.jsonl"), "--skip-bad-lines");
        Assert.Contains("chat.jsonl, line 21", error, StringComparison.Ordinal);
        Assert.Contains("20 texts with", error, StringComparison.Ordinal);
        Assert.Contains("20 held out", error, StringComparison.Ordinal);
        Assert.True(File.Exists(_folder.At("tuned/step-4/adapter_model.safetensors")));
    }

    [Theory]
    [InlineData("--data FILE", "--out")]
    [InlineData("--data none.jsonl --out DIR", "no such file")]
    [InlineData("--data FILE --out DIR --context 1", "--context 1: at least 2")]
    [InlineData("--data FILE --out DIR --learning-rate 0", "above 0")]
    [InlineData("--data FILE --out DIR --lora 4", "--lora needs --model")]
    [InlineData("--data BROKEN --out DIR", "broken.jsonl, line 2")]
    public void What_cannot_be_done_is_said(string arguments, string words)
    {
        Write("chat.jsonl", "a", "b");
        File.WriteAllText(_folder.At("broken.jsonl"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"text\": \"c\"}\n");
        var (code, _, error) = CliProcess.Run(
        [
            "train", "chat", .. arguments.Split(' ').Select(argument => argument switch
            {
                "FILE" => _folder.At("chat.jsonl"),
                "BROKEN" => _folder.At("broken.jsonl"),
                "DIR" => _folder.At("out"),
                _ => argument,
            }),
        ]);
        Assert.NotEqual(0, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
    }

    private void Write(string file, string question, string answer)
        => File.WriteAllLines(_folder.At(file), Enumerable.Range(0, 20).Select(i => JsonSerializer.Serialize(new
        {
            messages = new object[]
            {
                new { role = "user", content = i % 4 > 0 ? question : $"Number {i}?" },
                new { role = "assistant", content = i % 4 > 0 ? answer : $"{i}!" },
            },
        })));

    private string Train(string file, string output, params string[] options)
    {
        var (code, _, error) =
            CliProcess.Run(["train", "chat", "--data", _folder.At(file), "--out", _folder.At(output), .. options]);
        Assert.True(code == 0, error);
        return error;
    }

    private string Ask(string model, string question)
    {
        var (code, output, error) = CliProcess.Run(
            ["chat", "--model", _folder.At(model), "--threads", "1", "--max-tokens", "24", "--temperature", "0", "--json"],
            input: Encoding.UTF8.GetBytes(question + "\n"));
        Assert.True(code == 0, error);
        return JsonDocument.Parse(output).RootElement.GetProperty("text").GetString()!;
    }
}
