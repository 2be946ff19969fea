using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

public sealed class SummaryTests : IDisposable
{
    private const string Report = """
        # Harbour report

        The harbour handled 412 ships in 2024. Most ships of the harbour carried grain and timber.
        The harbour master is Ines Duarte. She likes tea.

        # Costs

        Dredging the harbour cost 2.4 million euros. The crane was repaired in May.
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("kotonoha-summary-").FullName;
    private readonly KnowledgeBase _knowledge;

    public SummaryTests() => _knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")));

    [Fact]
    public async Task Without_a_model_the_sentences_that_say_most_are_quoted_in_order_with_their_places()
    {
        await Add("report.md", Report);
        var summary = await _knowledge.SummarizeAsync(options: new SummaryOptions { MaxSentences = 3 });
        Assert.Equal(AnsweredBy.Extraction, summary.WrittenBy);
        Assert.Equal(3, summary.Text.Split('\n').Length);
        Assert.DoesNotContain("tea", summary.Text);
        Assert.All(summary.Citations, citation => Assert.Contains(citation.Quote.ReplaceLineEndings(" "), Report.ReplaceLineEndings(" ")));
        Assert.Equal(summary.Citations.OrderBy(citation => citation.Start).Select(citation => citation.Number), [1, 2, 3]);

        var about = await _knowledge.SummarizeAsync(options: new SummaryOptions { MaxSentences = 1, Focus = "crane" });
        Assert.Equal("The crane was repaired in May. [1]", about.Text);
    }

    [Fact]
    public async Task A_sentence_of_a_model_that_no_passage_states_is_left_out()
    {
        await Add("report.md", Report);
        using var chat = new ScriptedChatClient(
            "The harbour handled 412 ships in 2024 [1]. Dredging cost 4.2 million euros [2]. The harbour master is Ines Duarte [1].");
        var summary = await _knowledge.SummarizeAsync(chat);
        Assert.Equal(AnsweredBy.Model, summary.WrittenBy);
        Assert.Equal("The harbour handled 412 ships in 2024. [1]\nThe harbour master is Ines Duarte. [2]", summary.Text);
        Assert.Equal(1, summary.Unsupported);
    }

    [Fact]
    public async Task Many_passages_are_summarised_in_parts_and_then_once_more()
    {
        for (int i = 0; i < 12; i++)
            await Add($"{i:00}.md", $"# Ship {i}\n\nThe vessel number {i} carried {100 + i} tons of cargo to port {i}.");
        using var chat = new ScriptedChatClient("The moon is made of cheese [1].");
        var options = new SummaryOptions { MaxSentences = 4, PromptBudget = 40 };
        var summary = await _knowledge.SummarizeAsync(chat, options);
        // Nothing of the model holds, so each part speaks for itself, and none more often than it was asked for.
        Assert.Equal(AnsweredBy.Extraction, summary.WrittenBy);
        Assert.InRange(summary.Citations.Count, 1, 4);
        Assert.True(summary.Unsupported >= 4);
        Assert.True(chat.Messages.Count > 4);
        Assert.DoesNotContain("cheese", summary.Text);
    }

    [Fact]
    public async Task A_document_that_is_not_there_is_named_and_nothing_is_no_summary()
    {
        Assert.Equal("", (await _knowledge.SummarizeAsync()).Text);
        await Add("report.md", Report);
        var error = await Assert.ThrowsAsync<KotonohaException>(
            () => _knowledge.SummarizeAsync(options: new SummaryOptions { Sources = ["other.md"] }));
        Assert.Contains("'other.md'", error.Message);
    }

    [Theory]
    [InlineData("quantum computers", "")]
    [InlineData("the crane", "The crane was repaired in May. [1]")]
    [InlineData("costs", "Dredging the harbour cost 2.4 million euros. [1]\nThe crane was repaired in May. [2]")]
    [InlineData("量子コンピュータ", "")]
    [InlineData("駐車場", "当館の駐車場は30台分あり、無料でご利用いただけます。 [1]\n冬はチェーンが必要です。 [2]")]
    public async Task A_summary_about_something_has_nothing_about_anything_else(string focus, string summary)
    {
        await Add("report.md", Report);
        await Add("inn.md", """
            # 旅館のご案内

            客室は24室あり、海を望むことができます。

            ## 駐車場

            当館の駐車場は30台分あり、無料でご利用いただけます。冬はチェーンが必要です。
            """);
        using var chat = new ScriptedChatClient("The moon is made of cheese [1].");
        Assert.Equal(summary, (await _knowledge.SummarizeAsync(options: new SummaryOptions { Focus = focus })).Text);
        var written = await _knowledge.SummarizeAsync(chat, new SummaryOptions { Focus = focus });
        Assert.Equal(summary.Length == 0, written.Text.Length == 0);
        Assert.Equal(summary.Length == 0, chat.Messages.Count == 0);
    }

    [Fact]
    public async Task Long_and_polite_Japanese_sentences_are_not_left_out()
    {
        string[] sentences =
        [
            "大浴場は朝五時から深夜一時までご利用いただけますが、設備の点検と清掃を行うため、毎週火曜日の午前十時から正午までは閉鎖いたしますので、"
                + "ご入浴をご希望のお客様はあらかじめ時間をご確認のうえお越しください。",
            "夕食は二階の食堂でご利用いただけます。",
            "貸自転車は受付でご利用いただけます。",
        ];
        await Add("inn.md", "# ご案内\n\n" + string.Concat(sentences));
        var summary = await _knowledge.SummarizeAsync();
        Assert.Equal(sentences, summary.Citations.Select(citation => citation.Quote));
    }

    private Task<AddReport> Add(string source, string text)
        => _knowledge.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)));

    public void Dispose()
    {
        _knowledge.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
