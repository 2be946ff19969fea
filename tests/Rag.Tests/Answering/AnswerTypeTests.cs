using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>What asks for something of a form is answered by nothing else, and what asks of one thing not by its siblings.</summary>
public sealed class AnswerTypeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kotonoha-types-").FullName;

    [Theory]
    [InlineData("How much does the lamp cost?", "The lamp costs 40 euros.", "The lamp weighs 40 kg.")]
    [InlineData("How much is the pottery course?", "It is free for members.", "It meets on Friday at 17:15.")]
    [InlineData("What does the pump weigh?", "At 12.5 kg it is light.", "It has a warranty of 12 months.")]
    [InlineData("Up to which temperature may it be used?", "It works up to 45 °C.", "It works up to 45 metres.")]
    [InlineData("How many people does the hall seat?", "It seats 40.", "It is rented for 40 euros a day.")]
    [InlineData("How many people does the hall seat?", "There are forty chairs.", "It opens on 3 May.")]
    [InlineData("How many days does it take?", "It takes two working days.", "It takes 2 tons.")]
    [InlineData("How long does the course run?", "It runs for 13 evenings.", "It costs 213 euros; 20 places.")]
    [InlineData("How long is the bridge?", "The bridge is 300 m long.", "The bridge cost 300 euros.")]
    [InlineData("Which phone number do I call?", "Call +49 (30) 1234-567.", "31 people work there.")]
    [InlineData("What is the e-mail address of the office?", "Write to office@mail.example.", "Write to the office on floor 3.")]
    [InlineData("What time does it open?", "It opens at 9 a.m.", "It opens on Mondays.")]
    [InlineData("Which weekday is it closed?", "It is closed on Tuesdays.", "It is closed at 18:00.")]
    [InlineData("What is the power consumption of it?", "It draws 410 W.", "GX-410 weighs little.")]
    [InlineData("What is the monthly price of it?", "It costs 30 euros a month.", "It costs 90 euros once.")]
    [InlineData("What is the setup fee of it?", "You pay 90 euros once.", "It costs 30 euros a month.")]
    [InlineData("What is the price of it?", "It costs 30 euros a month.", "The setup fee is 90 euros.")]
    [InlineData("How many people applied?", "320 applications came in.", "320 letters came in.")]
    [InlineData("When is the office open?", "It is open from 9 a.m. to 15:30.", "It opened in 2015.")]
    [InlineData("How many parts are there?", "There are five.", "It is five metres deep.")]
    [InlineData("何冊借りられますか。", "五冊までです。", "五日間です。")]
    [InlineData("会費はいくらですか。", "二千五百円です。", "会員は二千人です。")]
    [InlineData("料金はいくらですか。", "料金は500円です。", "料金は窓口で支払います。")]
    [InlineData("借りるのにいくらかかりますか。", "1時間2100円です。", "定員は17名です。")]
    [InlineData("定員は何名ですか。", "17名です。", "設備は17型モニターです。")]
    [InlineData("何曜日に清掃しますか。", "毎週土曜日です。", "毎月3回です。")]
    [InlineData("運転音は何デシベルですか。", "47dBです。", "47Wです。")]
    public void A_form_is_found_where_it_is_and_not_in_what_only_has_the_number(string question, string right, string wrong)
    {
        var type = new Question(question).Type;
        Assert.NotNull(type);
        Assert.True(type.IsIn(right, question));
        Assert.False(type.IsIn(wrong, question));
    }

    [Theory]
    [InlineData("What is a bit?")]
    [InlineData("Who wrote the report about the temperature of the sea?")]
    [InlineData("Why does the weight matter?")]
    [InlineData("赤道付近で海水温が上昇する現象とは？")]
    [InlineData("それを何度も再利用する技法は何ですか。")]
    [InlineData("19世紀末の船舶の燃料は？")]
    [InlineData("Does it cost 40 euros?")]
    public void What_asks_for_something_else_has_no_form(string question) => Assert.Null(new Question(question).Type);

    [Theory]
    [InlineData("How many days does Tenmoku dry?", "| Glaze | Drying (days) |\n| --- | --- |\n| Celadon | 3 |\n| Tenmoku | 2 |\n",
        "Glaze: Tenmoku; Drying (days): 2")]
    [InlineData("How much is the fee for Pottery I?", "| Course | Fee |\n| --- | --- |\n| Pottery II | 213 euros |\n| Drawing "
        + "| 90 euros |\n", null)]
    [InlineData("How much is the setup fee of the Silver plan?", "| Plan | Setup fee |\n| --- | --- |\n| Silver | – |\n| Gold "
        + "| 90 euros |\n", null)]
    [InlineData("What does the sender pay at Vemo Post if the recipient refuses the parcel?",
        "# Delivery rules of Rosmin Post\n\nIf the recipient refuses the parcel, the sender pays 6 euros.\n", null)]
    [InlineData("人事部の人数は何名ですか。", "# 連絡先\n\n## 経理部\n\n経理部の人数は23名です。\n", null)]
    [InlineData("水彩画3の講師は誰ですか。", "# 講座\n\n## 水彩画2\n\n水彩画2の講師は村上浩二です。\n", null)]
    [InlineData("春のコースの内容は？", "# 献立\n\n魚のコースの内容は次のとおりです。\n\n- 鴨の炙り\n- うなぎの燻製\n", null)]
    public async Task A_sibling_or_an_empty_cell_does_not_answer(string question, string document, string? expected)
    {
        using var knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")));
        await knowledge.AddDocumentAsync("a.md", new MemoryStream(Encoding.UTF8.GetBytes(document)));
        var answer = await knowledge.AskAsync(question);
        Assert.Equal(expected, answer.Found ? answer.Citations[0].Text : null);
    }

    [Fact]
    public async Task Of_labelled_lines_the_one_that_answers_is_quoted_alone()
    {
        using var knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")));
        await knowledge.AddDocumentAsync("a.txt", new MemoryStream(Encoding.UTF8.GetBytes(
            "The Silver plan\n\nPrice: 13.41 euros a month\nDeleted files kept: 52 days\nUsers: 97 users\n")));
        var answer = await knowledge.AskAsync("For how many days does the Silver plan keep deleted files?");
        Assert.Equal(["Deleted files kept: 52 days"], answer.Citations.Select(citation => citation.Text));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
