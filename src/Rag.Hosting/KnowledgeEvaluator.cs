using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Evaluation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.AI.Evaluation;

namespace Kotonoha.Rag.Hosting;

/// <summary>
/// Kotonoha's answer metrics (<see cref="AnswerMetrics"/>) as an evaluator of Microsoft.Extensions.AI.Evaluation. All of them are
/// deterministic; with a <see cref="ChatConfiguration"/> its chat client grades too.
/// </summary>
/// <remarks>
/// The question is the last user message; what is known of its answer, and the answer with its citations, come as a
/// <see cref="KnowledgeEvaluationContext"/>. Without one the response's text is taken as an answer that cites nothing, to a question of
/// which nothing is known. Thread-safe.
/// </remarks>
public sealed class KnowledgeEvaluator : IEvaluator
{
    private readonly KnowledgeBase _knowledge;
    private readonly IEmbeddingGenerator<string, Embedding<float>>? _embedder;
    private readonly string[] _metrics;

    /// <summary>Creates an evaluator.</summary>
    /// <param name="knowledge">The documents that citations are held against.</param>
    /// <param name="embedder">Compares questions and answers, or null.</param>
    /// <param name="metrics">Which metrics it gives, by their names in <see cref="AnswerMetrics"/>; none named means all.</param>
    /// <exception cref="ArgumentException">A name is not known.</exception>
    public KnowledgeEvaluator(
        KnowledgeBase knowledge, IEmbeddingGenerator<string, Embedding<float>>? embedder = null, params IEnumerable<string> metrics)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        ArgumentNullException.ThrowIfNull(metrics);
        _knowledge = knowledge;
        _embedder = embedder;
        _metrics = [.. metrics];
        if (_metrics.Except(AnswerMetrics.All, StringComparer.Ordinal).FirstOrDefault() is { } unknown)
            throw new ArgumentException(
                $"'{unknown}' is no metric; there are {string.Join(", ", AnswerMetrics.All)}.", nameof(metrics));
        if (_metrics.Length == 0)
            _metrics = [.. AnswerMetrics.All];
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> EvaluationMetricNames => _metrics;

    /// <inheritdoc/>
    /// <returns>A <see cref="NumericMetric"/> from 0 to 1 for each metric that applies to the question.</returns>
    public async ValueTask<EvaluationResult> EvaluateAsync(
        IEnumerable<ChatMessage> messages, ChatResponse modelResponse, ChatConfiguration? chatConfiguration = null,
        IEnumerable<EvaluationContext>? additionalContext = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(modelResponse);
        var context = additionalContext?.OfType<KnowledgeEvaluationContext>().LastOrDefault();
        var asked = messages.LastOrDefault(message => message.Role == ChatRole.User)?.Text ?? context?.Question.Question
            ?? throw new ArgumentException("There is no user message with the question.", nameof(messages));
        var answer = context?.Answer
            ?? new Answer(asked, Found: true, modelResponse.Text, AnsweredBy.Model, [], [], new Dictionary<string, double>());
        var judge = chatConfiguration is null ? null : new ChatJudge(chatConfiguration.ChatClient);
        var measured = await new AnswerEvaluation(_knowledge, _embedder, judge)
            .MeasureAsync(context?.Question ?? new EvaluationQuestion(asked), answer, null, cancellationToken).ConfigureAwait(false);
        var reason = measured.Remarks.Count == 0 ? null : string.Join('\n', measured.Remarks);

        // Of a question of which nothing is known, nobody can say whether it should have been answered.
        var unknown = context is null ? [AnswerMetrics.Abstained] : Array.Empty<string>();
        return new EvaluationResult(_metrics.Except(unknown, StringComparer.Ordinal).Where(measured.Metrics.ContainsKey)
            .Select(EvaluationMetric (name) => new NumericMetric(name, measured.Metrics[name],
                name == AnswerMetrics.Faithfulness ? reason : null)));
    }
}

/// <summary>What an evaluation knows of a question.</summary>
public sealed class KnowledgeEvaluationContext : EvaluationContext
{
    /// <summary>Creates the context.</summary>
    /// <param name="question">The question with what is known of its answer.</param>
    /// <param name="answer">The answer with its citations, or null: then the response's text counts.</param>
    public KnowledgeEvaluationContext(EvaluationQuestion question, Answer? answer = null)
        : base("Kotonoha test set", question is null ? "" : string.Join('\n', question.Answers))
    {
        ArgumentNullException.ThrowIfNull(question);
        Question = question;
        Answer = answer;
    }

    /// <summary>The question with what is known of its answer.</summary>
    public EvaluationQuestion Question { get; }

    /// <summary>The answer with its citations, or null.</summary>
    public Answer? Answer { get; }
}
