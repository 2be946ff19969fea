namespace Kotonoha.Rag.Tests.Answering;

/// <summary>What is asked in other words than the documents have, and what stands next to it and is not the answer.</summary>
public sealed class OtherWordsTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["ferries.md"] = """
            # Ferries of the Arne line

            ## Selma

            The ship was launched in Bergen.

            Maximum speed: 22 knots

            Crew: 41 people

            ## Tilda

            The hull is painted green.

            Crew: 38 people
            """,
        ["kayaks.md"] = """
            # Kayaks for hire

            | Boat | Weight | Hire charge | Guarantee |
            |---|---|---|---|
            | Otter | 24 kg | 31 euros a day | – |
            | Heron | 19 kg | – | 2 years |
            """,
        ["menus.md"] = """
            # Tavern menus

            With the harvest menu we serve:

            - pumpkin soup
            - apple tart

            With the lake menu we serve:

            - smoked trout
            - pear sorbet
            """,
        ["manual.txt"] =
            "Descaling the kettle QT-310\n\nDo this:\n\n1. Fill in 300 ml of vinegar.\n2. Boil it for 4 minutes.\n\n"
            + "Descaling the kettle QT-320\n\nDo this:\n\n1. Fill in 450 ml of vinegar.\n2. Boil it for 9 minutes.\n",
        ["plans.md"] = """
            # 会員プラン

            ## ライトプラン

            会費は月に900円です。

            ## スタンダードプラン

            会費は月に1500円です。退会は10日前までに申し出てください。
            """,
    };

    [Theory]
    [InlineData("How many sailors work on the Selma?", "41 people")]
    [InlineData("How heavy is the Heron kayak?", "19 kg")]
    [InlineData("How much does it cost to rent the Otter?", "31 euros")]
    [InlineData("How long is the warranty on the Heron?", "2 years")]
    [InlineData("What dishes come with the lake menu?", "smoked trout")]
    [InlineData("How do I descale the QT-320?", "450 ml")]
    [InlineData("ライトプランの料金は月いくらですか。", "900円")]
    public async Task Other_words_of_the_same_meaning_find_the_answer(string question, string expected)
    {
        var answer = await Documents.AskAsync(question);
        Assert.True(answer.Found, answer.Text);
        Assert.Contains(expected, Assert.Single(answer.Citations).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("How much does it cost to rent the Heron?")] // the cell is empty
    [InlineData("How long is the warranty on the Otter?")]
    [InlineData("What is served with the wedding menu?")]
    [InlineData("How do I descale the QT-330?")]
    [InlineData("プレミアムプランの会費は月いくらですか。")]
    public async Task What_stands_next_to_it_does_not_answer(string question)
    {
        var answer = await Documents.AskAsync(question);
        Assert.False(answer.Found, answer.Text);
    }
}
