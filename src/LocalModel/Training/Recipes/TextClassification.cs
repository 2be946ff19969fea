using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A text, or a pair of texts, and its class.</summary>
/// <param name="Text">The text.</param>
/// <param name="Label">The class, from 0; with a head of a single label the score that is to be given.</param>
/// <param name="Second">The second text of a pair, or null.</param>
public sealed record LabeledText(string Text, double Label, string? Second = null);

/// <summary>
/// Teaches an encoder the class of whole texts: the mean cross entropy of softmax(W · pooled text). With one label it learns a score by the
/// mean squared error, as cross-encoders do.
/// </summary>
public sealed class TextClassification : EncoderTask
{
    private readonly IReadOnlyList<LabeledText> _train;
    private readonly IReadOnlyList<LabeledText> _heldOut;
    private readonly Batch _batch = new();
    private Example[] _examples = [];
    private Example[] _measured = [];
    private Example[] _drawn = [];
    private ExampleDraws? _draws;

    /// <summary>Creates the task.</summary>
    /// <param name="model">An encoder with a head for classes of texts (<see cref="Bert.WithHead"/>).</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <exception cref="TrainingException">The model has another head, there is no example, or a label is not one of the
    /// head's.</exception>
    public TextClassification(
        EncoderModel model, Tokenizer tokenizer, IReadOnlyList<LabeledText> train, IReadOnlyList<LabeledText> heldOut)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (model.Head != EncoderHead.SequenceClassification)
            throw new TrainingException($"The model has the head {model.Head}; classes of texts need SequenceClassification (WithHead).");
        if (train.Count == 0)
            throw new TrainingException("There is no text to learn from.");
        if (model.Labels > 1 && train.Concat(heldOut).FirstOrDefault(t => !IsClass(t.Label, model.Labels)) is { } wrong)
            throw new TrainingException($"The label {wrong.Label} of '{Shown(wrong.Text)}' is not a class from 0 to {model.Labels - 1}.");
        _train = train;
        _heldOut = heldOut;
    }

    /// <inheritdoc/>
    public override string Name => "classification";

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var text in _train)
            {
                hash.Add(text.Text);
                hash.Add([(int)Math.Round(1000 * text.Label)]);
            }

            return hash.Value;
        }
    }

    internal override long Size => _train.Count;

    internal override void Prepare(TrainingOptions options)
    {
        var cutting = Cutting(ContextLength(options), TruncationStrategy.LongestFirst, 0);
        _examples = [.. _train.Select(t => new Example(Encoded(cutting, t.Text, t.Second, out _), t.Label))];
        _measured = [.. _heldOut.Select(t => new Example(Encoded(cutting, t.Text, t.Second, out _), t.Label))];
        _draws = new ExampleDraws(_examples.Length, options);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _drawn = [.. _draws!.Of(step, microBatch).Select(i => _examples[i])];
        Fill(_drawn);
        return new DrawnBatch(_batch.Tokens, _drawn.Length);
    }

    internal override Tensor Loss(Pass pass) => Loss(Model, pass, _batch, [.. _drawn.Select(e => (float)e.Label)]);

    /// <summary>The mean loss of a batch: (1, 1).</summary>
    internal static Tensor Loss(EncoderModel model, Pass pass, Batch batch, float[] labels)
    {
        var logits = model.Logits(pass, model.Forward(pass, batch), batch); // (sequences, labels)
        if (model.Labels > 1)
            return pass.CrossEntropy(logits, Array.ConvertAll(labels, l => (int)l));
        var error = pass.Subtract(logits, pass.Constant(labels, labels.Length, 1));
        return pass.Mean(pass.Multiply(error, error));
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_measured.Length == 0)
            return [];
        double loss = 0;
        int right = 0;
        InBatches(_measured, e => e.Text.Ids.Length, together =>
        {
            Fill(together);
            var pass = session.Begin(cancellationToken);
            var logits = pass.Read(Model.Logits(pass, Model.Forward(pass, _batch), _batch)).ToArray();
            for (int i = 0; i < together.Count; i++)
            {
                var row = logits.AsSpan(i * Model.Labels, Model.Labels);
                if (Model.Labels == 1)
                {
                    loss += Math.Pow(row[0] - together[i].Label, 2);
                    continue;
                }

                int label = (int)together[i].Label, best = 0;
                double sum = 0;
                for (int c = 0; c < row.Length; c++)
                {
                    sum += Math.Exp(row[c] - (double)row[label]);
                    best = row[c] > row[best] ? c : best;
                }

                loss += Math.Log(sum);
                right += best == label ? 1 : 0;
            }
        });
        var mean = new Measurement("loss", loss / _measured.Length);
        return Model.Labels == 1 ? [mean] : [mean, new Measurement("accuracy", (double)right / _measured.Length)];
    }

    private void Fill(IReadOnlyList<Example> examples)
    {
        _batch.Clear();
        foreach (var example in examples)
            example.Text.AppendTo(_batch);
    }

    private static bool IsClass(double label, int labels) => label >= 0 && label < labels && label == Math.Floor(label);

    private static string Shown(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private sealed record Example(EncodedText Text, double Label);
}
