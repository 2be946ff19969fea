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
