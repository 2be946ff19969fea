using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A text with labelled stretches; the characters outside of them have class 0.</summary>
/// <param name="Text">The text.</param>
/// <param name="Spans">The stretches: first character, the one behind the last, class.</param>
public sealed record TaggedText(string Text, IReadOnlyList<(int Start, int End, int Label)> Spans);

/// <summary>
/// Teaches an encoder a class for each token (names, parts of speech): the mean cross entropy over all tokens but the special ones. A token
/// has the class of the stretch that its first character is in.
/// </summary>
public sealed class TokenClassification : EncoderTask
{
    private const int Ignored = CrossEntropyOptions.DefaultIgnoreIndex;
    private readonly IReadOnlyList<TaggedText> _train;
    private readonly IReadOnlyList<TaggedText> _heldOut;
    private readonly Batch _batch = new();
    private readonly List<int> _targets = [];
    private (EncodedText Text, int[] Labels)[] _examples = [];
    private (EncodedText Text, int[] Labels)[] _measured = [];
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
        _examples = [.. _train.Select(t => Example(cutting, t))];
        _measured = [.. _heldOut.Select(t => Example(cutting, t))];
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
        });
        return [new Measurement("loss", loss / counted), new Measurement("accuracy", (double)right / counted)];
    }

    private (EncodedText, int[]) Example(Tokenizer cutting, TaggedText text)
    {
        var encoded = Encoded(cutting, text.Text, null, out var tokens);
        var labels = new int[encoded.Ids.Length];
        for (int i = 0; i < labels.Length; i++)
        {
            int start = tokens.Offsets[i].Start;
            labels[i] = tokens.SpecialTokensMask[i] ? Ignored : text.Spans.FirstOrDefault(s => s.Start <= start && start < s.End).Label;
        }

        return (encoded, labels);
    }

    private void Fill(IReadOnlyList<(EncodedText Text, int[] Labels)> examples)
    {
        _batch.Clear();
        _targets.Clear();
        foreach (var (text, labels) in examples)
        {
            text.AppendTo(_batch);
            _targets.AddRange(labels);
        }
    }
}
