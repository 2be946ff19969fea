using System.Text;
using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha train --chat</c> as a process: conversations in, a model that answers them out.</summary>
[Trait("Category", "EndToEnd")]
public sealed class TrainChatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_learns_conversations_and_then_others()
    {
        Write("first.jsonl", "Who jumps?", "The quick brown fox.");
        var error = Train("first.jsonl", "model", "--context", "32", "--steps", "60", "--learning-rate", "0.005");
        Assert.Contains("Training a new GPT", error, StringComparison.Ordinal);
        Assert.Contains("loss on held-out answers", error, StringComparison.Ordinal);
        Assert.Equal("The quick brown fox.", Ask("model", "Who jumps?"));

        Write("second.jsonl", "Who jumps?", "The lazy dog.");
        error = Train("second.jsonl", "tuned", "--model", _folder.At("model"), "--steps", "60", "--learning-rate", "0.003");
        Assert.DoesNotContain("new GPT", error, StringComparison.Ordinal);
        Assert.Equal("The lazy dog.", Ask("tuned", "Who jumps?"));
        Assert.Equal("The quick brown fox.", Ask("model", "Who jumps?"));
    }

    [Theory]
    [InlineData("--chat FILE", "--out")]
    [InlineData("--chat none.jsonl --out DIR", "no such file")]
    [InlineData("--chat FILE --out DIR --docs DIR", "--docs exclude each other")]
    [InlineData("--out DIR", "--out goes with --chat")]
    [InlineData("--chat FILE --out DIR --context 1", "at least 2")]
    [InlineData("--chat FILE --out DIR --learning-rate 0", "above 0")]
    [InlineData("--chat BROKEN --out DIR", "broken.jsonl, line 2")]
    public void What_cannot_be_done_is_said(string arguments, string words)
    {
        Write("chat.jsonl", "a", "b");
        File.WriteAllText(_folder.At("broken.jsonl"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"text\": \"c\"}\n");
        var (code, _, error) = CliProcess.Run(
        [
            "train", .. arguments.Split(' ').Select(argument => argument switch
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
            CliProcess.Run(["train", "--chat", _folder.At(file), "--out", _folder.At(output), "--threads", "1", .. options]);
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
