namespace Kotonoha.Rag.Tests.Answering;

/// <summary>
/// Which thing is meant, and the form of what is asked, decide what answers: another firm's department, the next heading's list, the
/// deputy and an empty cell do not.
/// </summary>
public sealed class NamesAndFormsTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["brinley.txt"] = """
            Brinley Library: house rules

            - Readers under twelve bring a parent.
            - Whoever loses a card pays 7 euros.
            """,
        ["corvane.txt"] = """
            Corvane Library: house rules

            - Whoever loses a card pays 11 euros.
            - Bags are left in the lockers.
            """,
        ["mixers.md"] = """
            # Dough mixers

            ## DM-40

            The dough mixer DM-40 may be run at up to 45 °C. What is said of older models does not hold. At full load it draws 900 W. With
            14.5 kg it needs a firm table.

            ## DM-60

            The bowl holds 60 litres.
            """,
        ["cleaning.md"] = """
            # Care of the mixer DM-40

            ## Cleaning the DM-40

            1. Unplug the mixer.
            2. Lift the bowl out of its ring.
            3. Wipe the ring with a damp cloth.
            4. Let everything dry for two hours.
            """,
        ["office.md"] = """
            # Staff of Larkin Mills

            ## Repairs

            The deputy head of Repairs is Osman Field. Repairs is open from 8:15 to 16:45.

            ## Sales

            Sales is headed by Petra Vaughan.

            | Unit | Extension | Deputy |
            |---|---|---|
            | Sales | 4471 | – |
            | Repairs | 4483 | Osman Field |
            """,
        ["menus.md"] = """
            # みどり亭の献立

            ひな祭りのコースの内容は次のとおりです。

            - ちらし寿司
            - はまぐりの吸い物

            軽いコースでは次の料理をお出しします。

            - 卵のサンドイッチ
            - 野菜のスープ
            """,
        ["web.md"] = """
            # Falke, a server for the web

            Handlers in the manner of Express plug in with the adapter package.
            """,
        ["plans.md"] = """
            # カラムネットの料金

            | プラン | 通信量 | 月額 |
            |---|---|---|
            | ミニ | 5GB | 900円 |
            | ワイド | 60GB | 2400円 |
            """,
    };

    [Theory]
    [InlineData("What do I pay at Corvane Library for a lost card?", "11 euros")]
    [InlineData("What do I pay at Brinley Library for a lost card?", "7 euros")]
    [InlineData("What does the DM-40 weigh?", "14.5 kg")]
    [InlineData("Up to which temperature may the dough mixer DM-40 be used?", "45 °C")]
    [InlineData("How much power does the DM-40 draw?", "900 W")]
    [InlineData("What do I do after unplugging the mixer when cleaning the DM-40?", "Lift the bowl")]
    [InlineData("What is the telephone extension of Sales at Larkin Mills?", "4471")]
    [InlineData("Who is the deputy head of Repairs at Larkin Mills?", "Osman Field")]
    [InlineData("Can I plug Express-style handlers into the Falke server?", "adapter package")]
    [InlineData("みどり亭のひな祭りのコースではどんな料理が出ますか。", "ちらし寿司")]
    [InlineData("カラムネットのワイドプランの月額はいくらですか。", "2400円")]
    public Task The_thing_that_is_named_is_answered_in_the_form_that_is_asked_for(string question, string expected)
        => Documents.AssertQuotesAsync(question, expected);

    [Theory]
    [InlineData("What do I pay at Duffield Library for a lost card?")]
    [InlineData("Who must come with readers under twelve at Corvane Library?")]
    [InlineData("What does the DM-60 weigh?")]
    [InlineData("Who is the head of Repairs at Larkin Mills?")]
    [InlineData("Who is the deputy head of Sales at Larkin Mills?")]
    [InlineData("みどり亭の七夕のコースではどんな料理が出ますか。")]
    [InlineData("カラムネットのファミリープランの月額はいくらですか。")]
    public Task What_is_said_of_another_thing_or_in_another_form_does_not_answer(string question)
        => Documents.AssertRefusesAsync(question);
}
