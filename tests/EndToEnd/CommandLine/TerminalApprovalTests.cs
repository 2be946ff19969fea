using Kotonoha.Agents.AgentFiles;
using Kotonoha.Cli.Commands;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>What a person at the terminal is asked before a tool is called, and what counts as a yes.</summary>
public sealed class TerminalApprovalTests
{
    private static readonly ApprovalQuestion Question = new("post", "send", new Dictionary<string, object?> { ["text"] = "hi\u001b[2J" });

    [Theory]
    [InlineData("y\n", true)]
    [InlineData(" YES \n", true)]
    [InlineData("はい\n", true)]
    [InlineData("n\n", false)]
    [InlineData("\n", false)]
    [InlineData("", false)]
    [InlineData("yes, but\n", false)]
    public async Task Only_a_yes_allows_the_call(string typed, bool isAllowed)
    {
        var shown = new StringWriter();
        Assert.Equal(isAllowed, await TerminalApproval.AskAsync(Question, new StringReader(typed), shown, default));

        // What the model wrote cannot steer the terminal.
        Assert.Equal("""'post' wants to call send {"text":"hi\u001B[2J"}. Allow it? [y/N] """, shown.ToString());
    }

    [Fact]
    public async Task Without_a_terminal_the_answer_is_no_and_a_message_says_so()
    {
        var shown = new StringWriter();
        Assert.False(await TerminalApproval.AskAsync(Question, null, shown, default));
        Assert.Contains("'post' may not call send", shown.ToString(), StringComparison.Ordinal);
        Assert.Contains("it wants approval, and the input is no terminal", shown.ToString(), StringComparison.Ordinal);
    }
}
