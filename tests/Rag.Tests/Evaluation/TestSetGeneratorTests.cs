using Kotonoha.Foundation;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Evaluation;

public sealed class TestSetGeneratorTests : IDisposable
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["pumps.md"] = """
            # Pumps

            The KX-210 weighs 3 kg. The KX-220 weighs 4 kg. It needs 5 litres of oil.

            A check valve is a part that lets water pass in one direction.

            The KX-210 has been on sale since 4 May 2020.

            | Model | Power | Colour |
            |---|---|---|
            | KX-210 | 300 W | red |
            | KX-220 | – | blue |
            """,
        ["more.md"] = "# More\n\nThe KX-220 weighs 4 kg. The hall seats 80 people.\n",
        ["other.md"] = "# Other\n\nThe hall seats 90 people.\n",
        ["ja.md"] = """
            # 施設案内

            けやきホールの定員は120名です。受付は2階にあります。ポンプKX-230は2021年3月4日に発売されました。

            逆止弁とは、水を一方向にだけ流す部品である。
            """,
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private async Task<KnowledgeBase> OpenAsync()
    {
        foreach (var (name, text) in Documents)
            _folder.Write(Path.Combine("docs", name), text);
        var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")),
            options: new() { Readers = Readers.DocumentReaders.InProcess });
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        return knowledge;
    }

    [Theory]
    [InlineData("The KX-210 weighs how much in kg?", "number", "3", "pumps.md")]
    [InlineData("What is a check valve?", "definition", "a part that lets water pass in one direction", "pumps.md")]
    [InlineData("The KX-210 has been on sale since which date?", "date", "4 May 2020", "pumps.md")]
    [InlineData("What is given as “Power” for KX-210 (Pumps)?", "table", "300 W", "pumps.md")]
    [InlineData("「施設案内」について、けやきホールの定員は何名ですか。", "number", "120名", "ja.md")]
    [InlineData("ポンプKX-230はいつ発売されましたか。", "date", "2021年3月4日", "ja.md")]
    [InlineData("「施設案内」について、受付は何階にありますか。", "number", "2階", "ja.md")]
    [InlineData("逆止弁とは何ですか。", "definition", "水を一方向にだけ流す部品", "ja.md")]
    public async Task Sentences_and_tables_are_asked_for_in_their_language(string question, string kind, string answer, string source)
    {
        await using var knowledge = await OpenAsync();
        var made = await new TestSetGenerator(knowledge).GenerateAsync(100);
        var found = Assert.Single(made, one => one.Question == question);
        Assert.Equal((kind, answer, source), (found.Kind, found.Answers[0], found.Gold[0].Source));
    }

    [Fact]
    public async Task Each_answer_stands_at_its_places()
    {
        await using var knowledge = await OpenAsync();
        var texts = new Dictionary<string, string>();
        foreach (var name in Documents.Keys)
            texts[name] = (await Readers.DocumentReaders.InProcess.ReadFileAsync(_folder.At("docs", name))).Text;
        foreach (var question in (await new TestSetGenerator(knowledge).GenerateAsync(100)).Where(one => one.IsAnswerable))
            Assert.All(question.Gold, span =>
            {
                Assert.Equal(span.Quote, texts[span.Source].Substring(span.Start!.Value, span.Quote.Length));
                Assert.Contains(question.Answers[0], span.Quote, StringComparison.Ordinal);
            });
    }

    [Fact]
    public async Task The_same_answer_in_two_places_has_both_and_two_answers_make_no_question()
    {
        await using var knowledge = await OpenAsync();
        var made = await new TestSetGenerator(knowledge).GenerateAsync(100);
        Assert.Equal(["more.md", "pumps.md"],
            Assert.Single(made, one => one.Question == "The KX-220 weighs how much in kg?").Gold.Select(span => span.Source)
                .Order(StringComparer.Ordinal));
        // "It" has no name, an empty cell no answer.
        Assert.DoesNotContain(made, one => one.Question.Contains("oil", StringComparison.Ordinal));
        Assert.DoesNotContain(made, one => one.Question.Contains("Power", StringComparison.Ordinal)
            && one.Question.Contains("KX-220", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Siblings_that_are_asked_for_are_nowhere_in_the_documents()
    {
        await using var knowledge = await OpenAsync();
        var siblings = (await new TestSetGenerator(knowledge).GenerateAsync(30)).Where(one => !one.IsAnswerable).ToArray();
        Assert.NotEmpty(siblings);
        Assert.All(siblings, one => Assert.DoesNotContain(
            Documents.Values, text => System.Text.RegularExpressions.Regex.Matches(one.Question, @"KX-\d+")
                .Any(code => text.Contains(code.Value, StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Lists_procedures_follow_ups_and_columns_that_a_table_does_not_have_are_asked_for_in_both_languages()
    {
        var documents = new Dictionary<string, string>
        {
            ["teas.md"] = "# Teas\n\n| Tea | Degrees |\n|---|---|\n| Sencha | 70 |\n| Hojicha | 95 |\n\n## What to bring\n\n"
                + "- a pot\n- a cup\n",
            ["rooms.md"] = "# Rooms\n\n| Room | Seats |\n|---|---|\n| Maple | 12 |\n| Cedar | 30 |\n\n## Closing a room\n\nDo this:\n\n"
                + "1. Shut the window.\n2. Lock the door.\n",
            ["kaigi.md"] = "# 会議室\n\n| 部屋 | 定員 |\n|---|---|\n| 桜の間 | 12名 |\n| 梅の間 | 30名 |\n\n## 閉館\n\n1. 窓を閉める。\n2. 鍵をかける。\n",
            ["ocha.md"] = "# お茶\n\n| 銘柄 | 温度 |\n|---|---|\n| 煎茶 | 70度 |\n| ほうじ茶 | 95度 |\n\n## 持ち物\n\n- 急須\n- 湯のみ\n",
        };
        foreach (var (name, text) in documents)
            _folder.Write(Path.Combine("docs", name), text);
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")),
            options: new() { Readers = Readers.DocumentReaders.InProcess });
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        var made = await new TestSetGenerator(knowledge).GenerateAsync(60);

        void Expect(string question, string kind, params string[] quotes)
        {
            var one = Assert.Single(made, one => one.Question == question);
            Assert.Equal(kind, one.Kind);
            Assert.Equal(quotes, one.Gold.Select(span => span.Quote));
            Assert.Equal(quotes.Length, one.Gold.Select(span => span.Part).Distinct().Count());
        }

        Expect("What is listed under “What to bring” (Teas)?", "list", "a pot", "a cup");
        Expect("What are the steps of “Closing a room” (Rooms)?", "procedure", "1. Shut the window.", "2. Lock the door.");
        Expect("「会議室」の閉館の手順は何ですか。", "procedure", "1. 窓を閉める。", "2. 鍵をかける。");
        Expect("「お茶」の持ち物には何がありますか。", "list", "急須", "湯のみ");
        var next = Assert.Single(made, one => one.Question == "And for Hojicha?");
        Assert.Equal(["What is given as “Degrees” for Sencha (Teas)?"], next.Before);
        Assert.Equal(["95"], next.Answers);
        Assert.Equal(["「会議室」の桜の間の定員は何ですか。"], Assert.Single(made, one => one.Question == "梅の間は？").Before);
        Assert.Equal("70", Assert.Single(made, one => one.Question == "What is given as “Degrees” for Sencha (Teas)?").Answers[0]);

        var missing = made.Where(one => one.Kind == "unanswerable-attribute").Select(one => one.Question).ToList();
        Assert.Contains("What is given as “Seats” for Sencha (Teas)?", missing);
        Assert.Contains("「お茶」の煎茶の定員は何ですか。", missing);
        Assert.All(made.Where(one => one.Kind == "unanswerable-attribute"), one => Assert.False(one.IsAnswerable));

        // A set as a file keeps what a question leans on, and each question stands in the documents as the evaluation sees it.
        EvaluationSet.Write(_folder.At("set.jsonl"), made);
        var read = await EvaluationSet.ReadAsync(_folder.At("set.jsonl"));
        Assert.Equal(next.Before, read.Single(one => one.Question == next.Question).Before);
        var report = await new AnswerEvaluation(knowledge).RunAsync(read);
        var answered = report.Questions.Single(each => each.Question.Question == next.Question);
        Assert.Equal(1, answered.Metrics[AnswerMetrics.CitationRecall]);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_set()
    {
        await using var knowledge = await OpenAsync();
        var generator = new TestSetGenerator(knowledge);
        Assert.Equal((await generator.GenerateAsync(6, 3)).Select(one => one.Question),
            (await generator.GenerateAsync(6, 3)).Select(one => one.Question));
        Assert.Equal(6, (await generator.GenerateAsync(6, 4)).Count);
    }

    [Theory]
    [InlineData("What does the KX-210 weigh?", true)]
    [InlineData("What does the KX-220 weigh?", false)]
    [InlineData("Does the KX-210 weigh 3 kg?", false)]
    [InlineData("Here is the question: What?", false)]
    public async Task A_phrasing_that_changes_the_question_is_not_taken(string phrased, bool isTaken)
    {
        _folder.Write("docs/one.md", "# Pumps\n\nThe KX-210 weighs 3 kg.\n");
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")),
            options: new() { Readers = Readers.DocumentReaders.InProcess });
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        using var chat = new ScriptedChatClient(phrased);
        var made = Assert.Single(await new TestSetGenerator(knowledge, chat).GenerateAsync(1));
        Assert.Equal(isTaken ? phrased : "The KX-210 weighs how much in kg?", made.Question);
    }

    [Fact]
    public async Task Documents_without_anything_to_ask_are_told()
    {
        _folder.Write("docs/poem.md", "so much depends upon\n");
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")),
            options: new() { Readers = Readers.DocumentReaders.InProcess });
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await Assert.ThrowsAsync<KotonohaException>(() => new TestSetGenerator(knowledge).GenerateAsync(5));
    }
}
