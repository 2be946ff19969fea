using System.Text;
using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha chat</c> as a process: what it remembers, forgets and writes.</summary>
[Trait("Category", "EndToEnd")]
public sealed class ChatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ChatTests() => SavedModel.Save(_folder.At("model"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_conversation_grows_until_it_is_cleared_and_can_be_saved()
    {
        var file = _folder.At("talk.jsonl");
        var (replies, error) = Chat($"hi\nhi\n/save {file}\n/clear\nhi\n", "--system", "be");
        Assert.Equal(3, replies.Count);
        int Input(int reply) => replies[reply].GetProperty("input_tokens").GetInt32();
        Assert.True(Input(1) > Input(0), "the second message brings the first along");
        Assert.Equal(Input(0), Input(2));
        Assert.Contains("4 messages written", error, StringComparison.Ordinal);

        var saved = File.ReadAllLines(file).Select(line => JsonDocument.Parse(line).RootElement.Clone()).ToList();
        Assert.Equal(["system", "user", "assistant", "user", "assistant"], saved.Select(m => m.GetProperty("role").GetString()));
        Assert.Equal("be", saved[0].GetProperty("content").GetString());
        Assert.Equal(replies[0].GetProperty("text").GetString(), saved[2].GetProperty("content").GetString());
    }

    [Fact]
    public void A_message_that_no_longer_fits_is_taken_back_and_the_rest_stays()
    {
        var (replies, error) = Chat($"hi\n{new string('x', 200)}\nhi\n");
        Assert.Equal(2, replies.Count);
        Assert.Contains("/clear", error, StringComparison.Ordinal);
        Assert.True(replies[1].GetProperty("input_tokens").GetInt32() > replies[0].GetProperty("input_tokens").GetInt32());
    }

    [Fact]
    public void A_file_that_cannot_be_written_does_not_end_the_conversation()
    {
        var (replies, error) = Chat($"hi\n/save {_folder.At("none", "talk.jsonl")}\nhi\n");
        Assert.Equal(2, replies.Count);
        Assert.Contains("cannot be written", error, StringComparison.Ordinal);
    }

    private (List<JsonElement> Replies, string Error) Chat(string input, params string[] options)
    {
        var (code, output, error) = CliProcess.Run(
            ["chat", "--model", _folder.At("model"), "--threads", "1", "--max-tokens", "4", "--temperature", "0", "--json", .. options],
            input: Encoding.UTF8.GetBytes(input));
        Assert.True(code == 0, error);
        return ([.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.Clone())],
            error);
    }
}
