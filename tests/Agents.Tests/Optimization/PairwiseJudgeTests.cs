using Kotonoha.Agents.Optimization;

namespace Kotonoha.Agents.Tests.Optimization;

public sealed class PairwiseJudgeTests
{
    private const string A = """{"reason": "It is right.", "better": "A"}""", B = """{"reason": "…", "better": "B"}""",
        Tie = """{"reason": "…", "better": "tie"}""";

    [Theory]
    [InlineData(A, B, PairwiseVerdict.First)]
    [InlineData(B, A, PairwiseVerdict.Second)]
    [InlineData(Tie, Tie, PairwiseVerdict.Tie)]
    [InlineData(A, A, PairwiseVerdict.Inconsistent)]
    [InlineData(B, B, PairwiseVerdict.Inconsistent)]
    [InlineData(Tie, A, PairwiseVerdict.Inconsistent)]
    [InlineData("A, certainly", B, PairwiseVerdict.None)]
    [InlineData(A, """{"reason": "…", "better": "C"}""", PairwiseVerdict.None)]
    public async Task Only_what_is_said_in_both_orders_counts(string there, string back, PairwiseVerdict verdict)
    {
        using var chat = new ScriptedChatClient(there, back);
        Assert.Equal(verdict, await new PairwiseJudge(chat).CompareAsync("2+2?", "4", "5"));
        string[] asked = [.. chat.Requests.Select(request => request[^1].Text)];
        Assert.Contains("<answer-a>\n4\n", asked[0], StringComparison.Ordinal);
        Assert.Contains("<answer-a>\n5\n", asked[1], StringComparison.Ordinal);
    }
}
