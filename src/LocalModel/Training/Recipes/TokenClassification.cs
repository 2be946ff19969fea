using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A text with labelled stretches; the characters outside of them have class 0.</summary>
/// <param name="Text">The text.</param>
/// <param name="Spans">The stretches: first character, the one behind the last, class.</param>
public sealed record TaggedText(string Text, IReadOnlyList<(int Start, int End, int Label)> Spans);

/// <summary>
/// Teaches an encoder a class for each token (names, parts of speech): the mean cross entropy over all tokens but special and blank ones.
/// A token has the class of the stretch that its first character is in; where that is the beginning of a label (B-PER), the stretch's
/// later tokens have the class that goes on with it (I-PER).
/// </summary>
public sealed class TokenClassification : EncoderTask
{
    private const int Ignored = CrossEntropyOptions.DefaultIgnoreIndex;
    private readonly IReadOnlyList<TaggedText> _train;
    private readonly IReadOnlyList<TaggedText> _heldOut;
    private readonly Batch _batch = new();
    private readonly List<int> _targets = [];
    private readonly int[] _following;
    private Example[] _examples = [];
    private Example[] _measured = [];
    private ExampleDraws? _draws;

    /// <summary>Creates the task.</summary>
    /// <param name="model">An encoder with a head for classes of tokens (<see cref="Bert.WithHead"/>).</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <exception cref="TrainingException">The model has another head, there is no example, or a class is not one of the
    /// head's.</exception>
    public TokenClassification(
        EncoderModel model, Tokenizer tokenizer, IReadOnlyList<TaggedText> train, IReadOnlyList<TaggedText> heldOut)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (model.Head != EncoderHead.TokenClassification)
            throw new TrainingException($"The model has the head {model.Head}; classes of tokens need TokenClassification (WithHead).");
        if (train.Count == 0)
            throw new TrainingException("There is no text to learn from.");
        foreach (var (_, _, label) in train.Concat(heldOut).SelectMany(t => t.Spans))
            if (label < 0 || label >= model.Labels)
                throw new TrainingException($"The class {label} is not one from 0 to {model.Labels - 1}.");
        _train = train;
        _heldOut = heldOut;
        var names = model.LabelNames.ToList();
        _following = [.. names.Select((name, label) => name.StartsWith("B-", StringComparison.Ordinal) && names.IndexOf($"I-{name[2..]}") is
            >= 0 and var following ? following : label)];
    }

    /// <summary>Rates the stretches that were found in the held-out texts: those of each text that are right, and those found.</summary>
    public Func<IReadOnlyList<IReadOnlyList<LabeledSpan>>, IReadOnlyList<IReadOnlyList<LabeledSpan>>, IReadOnlyList<Measurement>>? Score
    {
        get; init;
    }

    /// <inheritdoc/>
    public override string Name => "token-classification";

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var text in _train)
            {
                hash.Add(text.Text);
                hash.Add([.. text.Spans.SelectMany(s => (int[])[s.Start, s.End, s.Label])]);
            }

            return hash.Value;
        }
    }

    internal override long Size => _train.Count;

    internal override void Prepare(TrainingOptions options)
    {
        var cutting = Cutting(ContextLength(options), TruncationStrategy.LongestFirst, 0);
        _examples = [.. _train.Select(t => ExampleOf(cutting, t, measured: false))];
        _measured = [.. _heldOut.Select(t => ExampleOf(cutting, t, measured: true))];
        _draws = new ExampleDraws(_examples.Length, options);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        Fill([.. _draws!.Of(step, microBatch).Select(i => _examples[i])]);
        return new DrawnBatch(_batch.Tokens, _targets.Count(t => t != Ignored));
    }

    internal override Tensor Loss(Pass pass) => Loss(Model, pass, _batch, [.. _targets]);

    /// <summary>The mean loss of a batch over the tokens that have a class: (1, 1).</summary>
    internal static Tensor Loss(EncoderModel model, Pass pass, Batch batch, int[] targets)
        => pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch), batch), targets);

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_measured.Length == 0)
            return [];
        double loss = 0;
        int right = 0, counted = 0;
        var found = new List<IReadOnlyList<LabeledSpan>>();
        InBatches(_measured, e => e.Text.Ids.Length, together =>
        {
            Fill(together);
            var pass = session.Begin(cancellationToken);
            var logits = Model.Logits(pass, Model.Forward(pass, _batch), _batch);
            var scores = pass.Read(pass.LogSoftmax(logits)).ToArray();
            for (int i = 0; i < _targets.Count; i++)
            {
                if (_targets[i] == Ignored)
                    continue;
                var row = scores.AsSpan(i * Model.Labels, Model.Labels);
                loss -= row[_targets[i]];
                right += row.IndexOf(System.Numerics.Tensors.TensorPrimitives.Max(row)) == _targets[i] ? 1 : 0;
                counted++;
            }

            for (int i = 0; i < together.Count; i++)
                found.Add([.. TokenSpans.Of(together[i].Source!.Text, together[i].Tokens!,
                        scores.AsSpan((_batch.SequenceStarts[i] * Model.Labels)..(_batch.SequenceStarts[i + 1] * Model.Labels)),
                        Model.LabelNames)
                    .Select(s => new LabeledSpan(s.Start, s.End, s.Label))]);
        });
        Measurement[] ofTokens = [new("loss", loss / counted), new("accuracy", (double)right / counted)];
        return Score is null ? ofTokens : [.. ofTokens, .. Score(
            [.. _heldOut.Select(t => (IReadOnlyList<LabeledSpan>)[.. t.Spans.Select(s =>
                new LabeledSpan(s.Start, s.End, SpanTags.LabelOf(Model.LabelNames[s.Label])))])], found)];
    }

    private Example ExampleOf(Tokenizer cutting, TaggedText text, bool measured)
    {
        var encoded = Encoded(cutting, text.Text, null, out var tokens);
        var labels = new int[encoded.Ids.Length];
        int last = -1;
        for (int i = 0; i < labels.Length; i++)
        {
            int start = TokenSpans.StartOf(text.Text, tokens.Offsets[i].Start, tokens.Offsets[i].End);
            if (tokens.SpecialTokensMask[i] || start >= tokens.Offsets[i].End)
            {
                labels[i] = Ignored;
                continue;
            }

            var span = text.Spans.FirstOrDefault(s => s.Start <= start && start < s.End);
            labels[i] = span.End > 0 && last >= span.Start ? _following[span.Label] : span.Label;
            last = start;
        }

        return new Example(encoded, labels, measured ? text : null, measured ? tokens : null);
    }

    private void Fill(IReadOnlyList<Example> examples)
    {
        _batch.Clear();
        _targets.Clear();
        foreach (var example in examples)
        {
            example.Text.AppendTo(_batch);
            _targets.AddRange(example.Labels);
        }
    }

    // What a text is measured by is kept of those held out alone.
    private sealed record Example(EncodedText Text, int[] Labels, TaggedText? Source, TokenizedText? Tokens);
}
