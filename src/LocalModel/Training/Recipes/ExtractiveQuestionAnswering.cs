using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A question over a passage that holds its answer word by word.</summary>
/// <param name="Question">The question.</param>
/// <param name="Passage">The passage.</param>
/// <param name="Answers">The answers that count as right; the first is learned.</param>
/// <param name="AnswerStart">The first character of the first answer in the passage.</param>
public sealed record AnsweredQuestion(string Question, string Passage, IReadOnlyList<string> Answers, int AnswerStart);

/// <summary>
/// Teaches an encoder to find answers (SQuAD, arXiv:1606.05250): the mean of the cross entropies of start and end over the positions of
/// question and passage. Passages longer than the context are read in overlapping windows; a window without the answer points at its first
/// token.
/// </summary>
public sealed class ExtractiveQuestionAnswering : EncoderTask
{
    /// <summary>The most tokens of an answer that <see cref="Answer"/> gives.</summary>
    private const int LongestAnswer = 30;

    private readonly IReadOnlyList<AnsweredQuestion> _train;
    private readonly IReadOnlyList<AnsweredQuestion> _heldOut;
    private readonly Batch _batch = new();
    private readonly List<int> _starts = [];
    private readonly List<int> _ends = [];
    private Window[] _windows = [];
    private ExampleDraws? _draws;
    private int _length;

    /// <summary>Creates the task.</summary>
    /// <param name="model">An encoder with a head for answers (<see cref="Bert.WithHead"/>).</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <exception cref="TrainingException">The model has another head, there is no question, or an answer does not stand where it is said
    /// to.</exception>
    public ExtractiveQuestionAnswering(
        EncoderModel model, Tokenizer tokenizer, IReadOnlyList<AnsweredQuestion> train, IReadOnlyList<AnsweredQuestion> heldOut)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (model.Head != EncoderHead.QuestionAnswering)
            throw new TrainingException($"The model has the head {model.Head}; answers need QuestionAnswering (WithHead).");
        if (train.Count == 0)
            throw new TrainingException("There is no question to learn from.");
        foreach (var question in train)
            if (question.Answers.Count == 0 || question.AnswerStart < 0
                || string.CompareOrdinal(question.Passage, question.AnswerStart, question.Answers[0], 0, question.Answers[0].Length) != 0)
                throw new TrainingException($"The answer of '{question.Question}' does not stand at character {question.AnswerStart} of "
                    + $"its "
                    + "passage.");
        _train = train;
        _heldOut = heldOut;
    }

    /// <inheritdoc/>
    public override string Name => "question-answering";

    /// <summary>How an answer is held against the right ones: 1 for equal, 0 for wrong. Exact match and F1 of the field are in
    /// Evaluation.</summary>
    public Func<string, IReadOnlyList<string>, (double Exact, double F1)> Score { get; init; }
        = (answer, right) => (right.Contains(answer, StringComparer.Ordinal) ? 1 : 0, right.Contains(answer, StringComparer.Ordinal) ? 1
            : 0);

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var question in _train)
            {
                hash.Add(question.Question);
                hash.Add(question.Passage);
                hash.Add([question.AnswerStart, question.Answers[0].Length]);
            }

            return hash.Value;
        }
    }

    internal override long Size => _train.Count;

    internal override void Prepare(TrainingOptions options)
    {
        _length = ContextLength(options);
        _windows = [.. _train.SelectMany(Windows)];
        _draws = new ExampleDraws(_windows.Length, options);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _batch.Clear();
        _starts.Clear();
        _ends.Clear();
        foreach (int i in _draws!.Of(step, microBatch))
        {
            var window = _windows[i];
            window.Text.AppendTo(_batch);
            _starts.Add(window.Start);
            _ends.Add(window.End);
        }

        return new DrawnBatch(_batch.Tokens, _batch.Sequences);
    }

    internal override Tensor Loss(Pass pass) => Loss(Model, pass, _batch, [.. _starts], [.. _ends]);

    /// <summary>The mean loss of a batch: (1, 1).</summary>
    /// <param name="model">The model.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="batch">The questions with their passages.</param>
    /// <param name="starts">The first token of each answer in its sequence, or −100 where there is none.</param>
    /// <param name="ends">The last token of each answer.</param>
    internal static Tensor Loss(EncoderModel model, Pass pass, Batch batch, int[] starts, int[] ends)
    {
        var logits = model.Logits(pass, model.Forward(pass, batch), batch); // (tokens, 2)
        var sum = pass.Constant([0], 1, 1);
        int counted = 0;
        for (int s = 0; s < batch.Sequences; s++)
        {
            if (starts[s] < 0)
                continue;
            int from = batch.SequenceStarts[s], length = batch.SequenceStarts[s + 1] - from;
            var rows = pass.SelectRows(logits, [.. Enumerable.Range(from, length)]);
            var start = pass.CrossEntropy(pass.Reshape(pass.Columns(rows, 0, 1), 1, length), [starts[s]]);
            var end = pass.CrossEntropy(pass.Reshape(pass.Columns(rows, 1, 1), 1, length), [ends[s]]);
            sum = pass.Add(sum, pass.Add(start, end));
            counted++;
        }

        return pass.Scale(sum, 1f / (2 * Math.Max(1, counted)));
    }

    /// <summary>The most likely answer in a passage.</summary>
    /// <returns>The answer as the passage has it; empty where the model points at none.</returns>
    internal string Answer(InferenceSession session, string question, string passage, CancellationToken cancellationToken)
    {
        var best = ("", double.NegativeInfinity);
        var cutting = Cutting(_length, TruncationStrategy.OnlySecond, _length / 4);
        var tokens = cutting.EncodePair(question, passage);
        foreach (var window in (TokenizedText[])[tokens, .. tokens.Overflowing])
        {
            _batch.Clear();
            Encoded(window).AppendTo(_batch);
            var pass = session.Begin(cancellationToken);
            var logits = pass.Read(Model.Logits(pass, Model.Forward(pass, _batch), _batch)).ToArray();
            int count = window.Ids.Count;
            for (int start = 0; start < count; start++)
            {
                if (window.SequenceIds[start] != 1)
                    continue;
                for (int end = start; end < Math.Min(count, start + LongestAnswer) && window.SequenceIds[end] == 1; end++)
                    if (logits[2 * start] + logits[2 * end + 1] is var score && score > best.Item2)
                        best = (passage[window.Offsets[start].Start..window.Offsets[end].End], score);
            }
        }

        return best.Item1;
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_heldOut.Count == 0)
            return [];
        double exact = 0, f1 = 0, loss = 0;
        int windows = 0;
        foreach (var question in _heldOut)
        {
            var (e, f) = Score(Answer(session, question.Question, question.Passage, cancellationToken), question.Answers);
            exact += e;
            f1 += f;
            foreach (var window in Windows(question))
            {
                _batch.Clear();
                window.Text.AppendTo(_batch);
                var pass = session.Begin(cancellationToken);
                loss += pass.ReadScalar(Loss(Model, pass, _batch, [window.Start], [window.End]));
                windows++;
            }
        }

        return [new Measurement("loss", loss / windows), new Measurement("exact_match", exact / _heldOut.Count),
            new Measurement("f1", f1 / _heldOut.Count)];
    }

    private IEnumerable<Window> Windows(AnsweredQuestion question)
    {
        var cutting = Cutting(_length, TruncationStrategy.OnlySecond, _length / 4);
        var tokens = cutting.EncodePair(question.Question, question.Passage);
        int from = question.AnswerStart, to = from + question.Answers[0].Length;
        foreach (var window in (TokenizedText[])[tokens, .. tokens.Overflowing])
        {
            int start = 0, end = 0;
            for (int i = 0; i < window.Ids.Count; i++)
            {
                if (window.SequenceIds[i] != 1)
                    continue;
                var offset = window.Offsets[i];
                if (start == 0 && offset.Start <= from && from < offset.End)
                    start = i;
                if (offset.Start < to && to <= offset.End)
                    end = i;
            }

            // An answer that the window cuts is none.
            yield return start > 0 && end >= start ? new Window(Encoded(window), start, end) : new Window(Encoded(window), 0, 0);
        }
    }

    private sealed record Window(EncodedText Text, int Start, int End);
}
