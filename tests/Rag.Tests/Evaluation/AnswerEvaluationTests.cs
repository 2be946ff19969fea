using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Hosting;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.AI.Evaluation;

namespace Kotonoha.Rag.Tests.Evaluation;

public sealed class AnswerEvaluationTests : IAsyncLifetime, IDisposable
{
    private const string Runbook = """
        # Runbook

        ## Backups

        Snapshots are taken every night at 02:00 and kept for 14 days.

        ## Keys

        The API key of the vector store is renewed every 90 days by the Knowledge Desk.
        """;

    private static readonly EvaluationQuestion Kept = new("How long are snapshots kept?")
    {
        Answers = ["14 days", "two weeks"],
        Gold = [Gold("Snapshots are taken every night at 02:00 and kept for 14 days.")],
    };

    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase _knowledge = null!;

    public async Task InitializeAsync()
    {
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await _knowledge.AddDocumentAsync("runbook.txt", new MemoryStream(Encoding.UTF8.GetBytes(Runbook)));
    }

    public async Task DisposeAsync() => await _knowledge.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    private static GoldSpan Gold(string quote) => new("runbook.txt", quote) { Start = Runbook.IndexOf(quote, StringComparison.Ordinal) };

    private static Citation Cite(int number, string quote)
    {
        int start = Runbook.IndexOf(quote, StringComparison.Ordinal);
        return new Citation(number, "runbook.txt", quote, start, start + quote.Length, null, "Runbook", 0.9);
    }

    private static Answer Answered(string text, params Citation[] citations)
        => new(Kept.Question, true, text, AnsweredBy.Model, citations, [], new Dictionary<string, double>());

    private async Task<IReadOnlyDictionary<string, double>> MeasureAsync(EvaluationQuestion question, Answer answer)
        => (await new AnswerEvaluation(_knowledge).MeasureAsync(question, answer)).Metrics;

    [Fact]
    public async Task A_right_answer_with_its_place_has_full_marks()
    {
        var metrics = await MeasureAsync(Kept, Answered("Snapshots are kept for 14 days. [1]", Cite(1, Kept.Gold[0].Quote)));
        Assert.Equal(1, metrics[AnswerMetrics.Answered]);
        Assert.Equal(1, metrics[AnswerMetrics.Faithfulness]);
        Assert.Equal(1, metrics[AnswerMetrics.CitationPrecision]);
        Assert.Equal(1, metrics[AnswerMetrics.CitationRecall]);
        Assert.Equal(1, metrics[AnswerMetrics.Contains]);
        Assert.Equal(0, metrics[AnswerMetrics.ExactMatch]);
        Assert.Equal(1, metrics[AnswerMetrics.ContextRecall]);
        Assert.False(metrics.ContainsKey(AnswerMetrics.Abstained));
    }

    [Fact]
    public async Task What_the_cited_place_does_not_state_is_unfaithful_even_where_another_place_states_it()
    {
        var evaluated = await new AnswerEvaluation(_knowledge).MeasureAsync(Kept, Answered(
            "Snapshots are kept for 14 days. [1] The API key is renewed every 90 days. [1] Snapshots are kept for 15 days. [1] "
                + "The API key of the vector store is renewed every 90 days. [2]",
            Cite(1, Kept.Gold[0].Quote), Cite(2, "The API key of the vector store is renewed every 90 days by the Knowledge Desk.")));
        Assert.Equal(0.5, evaluated.Metrics[AnswerMetrics.Faithfulness]);
        Assert.Equal(0.5, evaluated.Metrics[AnswerMetrics.CitationPrecision]);
        Assert.Equal(2, evaluated.Remarks.Count);
        Assert.Contains("15 days", evaluated.Remarks[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_quotation_that_does_not_stand_in_the_document_supports_nothing()
    {
        var forged = new Citation(1, "runbook.txt", "Snapshots are kept for 99 days.", 11, 42, null, null, 1);
        Assert.Equal(0, (await MeasureAsync(Kept, Answered("Snapshots are kept for 99 days. [1]", forged)))[AnswerMetrics.Faithfulness]);
    }

    [Theory]
    [InlineData("14 days", 1, 1, 1)]
    [InlineData("Two weeks!", 1, 1, 1)]
    [InlineData("Kept for 14 days", 0, 2.0 * 2 / 6, 1)]
    [InlineData("For 15 days", 0, 2.0 / 5, 0)]
    [InlineData("114 days", 0, 0.5, 0)]
    [InlineData("Nobody knows", 0, 0, 0)]
    public async Task Agreement_with_the_best_right_answer_is_counted_in_terms(string text, double exact, double f1, double contains)
    {
        var metrics = await MeasureAsync(Kept with { Gold = [] }, Answered(text));
        Assert.Equal((exact, contains), (metrics[AnswerMetrics.ExactMatch], metrics[AnswerMetrics.Contains]));
        Assert.Equal(f1, metrics[AnswerMetrics.F1], 12);
        Assert.False(metrics.ContainsKey(AnswerMetrics.CitationRecall));
    }

    [Fact]
    public async Task A_right_answer_is_found_within_a_Japanese_sentence()
    {
        var question = new EvaluationQuestion("定員は何名ですか。") { Answers = ["１２０名"] };
        Assert.Equal(1, (await MeasureAsync(question, Answered("ホールの定員は120名です。")))[AnswerMetrics.Contains]);
        Assert.Equal(0, (await MeasureAsync(question, Answered("ホールの定員は1120名です。")))[AnswerMetrics.Contains]);
    }

    [Fact]
    public async Task A_question_that_the_documents_do_not_answer_is_right_when_it_is_left_unanswered()
    {
        var questions = new[] { new EvaluationQuestion("How long are snapshots kept?"), new EvaluationQuestion("Who painted the Mona "
            + "Lisa?") };
        var report = await new AnswerEvaluation(_knowledge).RunAsync(questions);
        Assert.Equal([0, 1], report.Questions.Select(question => question.Metrics[AnswerMetrics.Abstained]));
        Assert.Equal(0.5, report.Metrics[AnswerMetrics.Abstained]);
    }

    [Fact]
    public async Task A_set_of_other_documents_is_refused()
    {
        var stale = Kept with { Gold = [Gold("Snapshots are taken") with { Start = 3 }] };
        var exception = await Assert.ThrowsAsync<KotonohaException>(() => new AnswerEvaluation(_knowledge).RunAsync([stale]));
        Assert.Contains("does not stand in 'runbook.txt' at 3", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_judge_grades_beside_and_a_reply_without_grades_is_told()
    {
        using var chat = new ScriptedChatClient("faithfulness: 5\nrelevance: 3", "Fine answer!");
        var evaluation = new AnswerEvaluation(_knowledge, judge: new ChatJudge(chat));
        var answer = Answered("14 days [1]", Cite(1, Kept.Gold[0].Quote));
        var first = await evaluation.MeasureAsync(Kept, answer);
        Assert.Equal((1, 0.5), (first.Metrics[AnswerMetrics.JudgeFaithfulness], first.Metrics[AnswerMetrics.JudgeRelevance]));
        var second = await evaluation.MeasureAsync(Kept, answer);
        Assert.False(second.Metrics.ContainsKey(AnswerMetrics.JudgeRelevance));
        Assert.Contains("the judge gave no grades", second.Remarks);
    }

    [Fact]
    public async Task The_metrics_are_an_evaluator_of_Microsoft_Extensions_AI()
    {
        IEvaluator evaluator = new KnowledgeEvaluator(
            _knowledge, null, AnswerMetrics.Faithfulness, AnswerMetrics.CitationRecall, AnswerMetrics.Abstained);
        var answer = await _knowledge.AskAsync(Kept.Question);
        var result = await evaluator.EvaluateAsync(
            [new ChatMessage(ChatRole.User, Kept.Question)], new ChatResponse(new ChatMessage(ChatRole.Assistant, answer.Text)), null,
            [new KnowledgeEvaluationContext(Kept, answer)]);
        Assert.Equal([AnswerMetrics.CitationRecall, AnswerMetrics.Faithfulness], result.Metrics.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(1, result.Get<NumericMetric>(AnswerMetrics.Faithfulness).Value);
        Assert.Throws<ArgumentException>(() => new KnowledgeEvaluator(_knowledge, null, "fluency"));
    }
}
