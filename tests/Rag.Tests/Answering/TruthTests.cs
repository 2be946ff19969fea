namespace Kotonoha.Rag.Tests.Answering;

/// <summary>Answers about the thing that was asked about, whole lists, words in every script.</summary>
public sealed class TruthTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["lockers.md"] = """
            # Lockers

            Locker 31 holds two bags.

            Locker 32 holds five bags.

            The part KR-100 weighs 4 kg.

            The part KR-200 weighs 9 kg.

            The desk of Carla Mendez is on floor 2.

            The desk of Carlo Mendez is on floor 5.

            In 2019 the fair had 120 stalls.

            In 2020 the fair had 95 stalls.

            Children pay no fare.

            Adults pay a fare of 3 euros.
            """,
        ["rocker.md"] = """
            # 更衣室

            第一更衣室の定員は六名です。

            第二更衣室の定員は九名です。

            12番窓口は9時に開きます。

            14番窓口は10時に開きます。
            """,
        ["steps.md"] = """
            # Kiln

            To light the kiln, do the following:

            1. Open the gas valve.
            2. Press the igniter.

            For the inspection, please bring:

            - the log book
            - the spare key

            | Glaze | Cone | Days |
            |---|---|---|
            | Celadon | 9 | 4 |
            | Tenmoku | 10 | 6 |
            """,
        ["code.md"] =
            "# API\n\nThe setting idleTimeoutSeconds is 45 by default.\n\nThe pump has a 220kW motor.\n\nThe café opens at seven.\n",
        ["ko.md"] = "# 안내\n\n박물관은 화요일에 쉽니다.\n",
        ["zh.md"] = "# 须知\n\n游泳池星期三关闭。\n",
        ["th.md"] = "# ประกาศ\n\nห้องสมุดปิดวันจันทร์\n",
    };

    [Theory]
    [InlineData("How many bags does locker 32 hold?", "Locker 32 holds five bags. [1]")]
    [InlineData("How much does the KR200 weigh?", "The part KR-200 weighs 9 kg. [1]")]
    [InlineData("How much does the ＫＲ－２００ weigh?", "The part KR-200 weighs 9 kg. [1]")]
    [InlineData("On which floor is the desk of Carlo Mendez?", "The desk of Carlo Mendez is on floor 5. [1]")]
    [InlineData("How many stalls did the fair have in 2020?", "In 2020 the fair had 95 stalls. [1]")]
    [InlineData("Who pays no fare?", "Children pay no fare. [1]")]
    [InlineData("Who pays a fare?", "Adults pay a fare of 3 euros. [1]")]
    [InlineData("第二更衣室の定員は何名ですか。", "第二更衣室の定員は九名です。 [1]")]
    [InlineData("14番窓口は何時に開きますか。", "14番窓口は10時に開きます。 [1]")]
    [InlineData("How do I light the kiln?", "To light the kiln, do the following:\n1. Open the gas valve.\n2. Press the igniter. [1]")]
    [InlineData("What should I bring for the inspection?", "For the inspection, please bring:\n- the log book\n- the spare key [1]")]
    [InlineData("How many days does the glaze Tenmoku take?", "Glaze: Tenmoku; Cone: 10; Days: 6 [1]")]
    [InlineData("What are the idle timeout seconds?", "The setting idleTimeoutSeconds is 45 by default. [1]")]
    [InlineData("How many kW has the motor of the pump?", "The pump has a 220kW motor. [1]")]
    [InlineData("When does the cafe open?", "The café opens at seven. [1]")]
    [InlineData("박물관은 언제 쉽니까?", "박물관은 화요일에 쉽니다. [1]")]
    [InlineData("游泳池什么时候关闭？", "游泳池星期三关闭。 [1]")]
    [InlineData("ห้องสมุดปิดเมื่อไร", "ห้องสมุดปิดวันจันทร์ [1]")]
    public async Task The_answer_is_about_what_was_asked_about(string question, string expected)
        => Assert.Equal(expected, (await Documents.AskAsync(question)).Text);

    [Theory]
    [InlineData("How many bags does locker 33 hold?", "The documents do not answer")]
    [InlineData("How much does the KR-300 weigh?", "The documents do not answer")]
    [InlineData("On which floor is the desk of Carlos Mendez?", "The documents do not answer")]
    [InlineData("How many stalls did the fair have in 2021?", "The documents do not answer")]
    [InlineData("第三更衣室の定員は何名ですか。", "この質問の答えは")]
    [InlineData("13番窓口は何時に開きますか。", "この質問の答えは")]
    [InlineData("What does the glaze Shino cost?", "The documents do not answer")]
    [InlineData("수영장 요금은 얼마입니까?", "문서에서")]
    [InlineData("停车费是多少？", "文档中")]
    [InlineData("Wie hoch ist die Miete der Wohnung?", "Die Dokumente")]
    [InlineData("Combien coûte le parking de la gare ?", "Les documents")]
    public async Task What_is_not_there_is_refused_in_the_questions_language(string question, string refusal)
    {
        var answer = await Documents.AskAsync(question);
        Assert.False(answer.Found, answer.Text);
        Assert.StartsWith(refusal, answer.Text, StringComparison.Ordinal);
    }
}
