using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Numerics;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>Two texts whose vectors shall lie near each other.</summary>
/// <param name="Anchor">A text, most often a question.</param>
/// <param name="Positive">What belongs to it.</param>
/// <param name="HardNegative">What looks like it and does not belong to it, or null.</param>
public sealed record TextPair(string Anchor, string Positive, string? HardNegative = null);

/// <summary>Two texts and how alike they are.</summary>
/// <param name="First">A text.</param>
/// <param name="Second">Another one.</param>
/// <param name="Similarity">How alike they are; any scale.</param>
public sealed record ScoredPair(string First, string Second, double Similarity);

/// <summary>
/// Teaches an encoder to turn texts into vectors (Sentence-BERT, arXiv:1908.10084), by the mean over tokens: pairs with all other positives
/// of the batch and the hard negatives as negatives (<see cref="EmbeddingLosses.MultipleNegatives"/>), or scored pairs by their order
/// (CoSENT). What it saves is a folder of sentence-transformers, which <see cref="Generation.LocalEncoder"/> loads.
/// </summary>
public sealed class SentenceEmbeddings : EncoderTask
{
    private readonly IReadOnlyList<TextPair> _pairs = [];
    private readonly IReadOnlyList<TextPair> _heldOutPairs = [];
    private readonly IReadOnlyList<ScoredPair> _scored = [];
    private readonly IReadOnlyList<ScoredPair> _heldOutScored = [];
    private readonly Batch _batch = new();
    private readonly List<float> _labels = [];
    private EncodedText[][] _texts = [];
    private ExampleDraws? _draws;
    private int _length;

    /// <summary>Creates the task for pairs that belong together.</summary>
    /// <param name="model">An encoder; its head, if it has one, is not used.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on: how often the right text is the nearest one of all of these; may be empty.</param>
    /// <exception cref="TrainingException">There is no pair, or only some have hard negatives.</exception>
    public SentenceEmbeddings(EncoderModel model, Tokenizer tokenizer, IReadOnlyList<TextPair> train, IReadOnlyList<TextPair> heldOut)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (train.Count == 0)
            throw new TrainingException("There is no pair to learn from.");
        if (train.Any(p => p.HardNegative is null) && train.Any(p => p.HardNegative is not null))
            throw new TrainingException("Some pairs have a hard negative and others do not; give one to all or to none.");
        _pairs = train;
        _heldOutPairs = heldOut;
    }

    /// <summary>Creates the task for scored pairs.</summary>
    /// <param name="model">An encoder; its head, if it has one, is not used.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on: Spearman's correlation of cosine and similarity; may be empty.</param>
    /// <exception cref="TrainingException">There is no pair.</exception>
    public SentenceEmbeddings(EncoderModel model, Tokenizer tokenizer, IReadOnlyList<ScoredPair> train, IReadOnlyList<ScoredPair> heldOut)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (train.Count == 0)
            throw new TrainingException("There is no pair to learn from.");
        _scored = train;
        _heldOutScored = heldOut;
    }

    /// <inheritdoc/>
    public override string Name => "sentence-embeddings";

    /// <summary>What cosines are multiplied by: the inverse of the temperature.</summary>
    public float Scale { get; init; } = 20;

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var pair in _pairs)
            {
                hash.Add(pair.Anchor);
                hash.Add(pair.Positive);
                hash.Add(pair.HardNegative ?? "");
            }

            foreach (var pair in _scored)
            {
                hash.Add(pair.First);
                hash.Add(pair.Second);
                hash.Add([(int)Math.Round(1000 * pair.Similarity)]);
            }

            return hash.Value;
        }
    }

    internal override long Size => _pairs.Count + _scored.Count;

    internal override void Prepare(TrainingOptions options)
    {
        _length = ContextLength(options);
        var cutting = Cutting(_length, TruncationStrategy.LongestFirst, 0);
        _texts = _scored.Count > 0
            ? [.. _scored.Select(p => Both(cutting, p.First, p.Second))]
            : [.. _pairs.Select(p => p.HardNegative is null
                ? Both(cutting, p.Anchor, p.Positive)
                : Both(cutting, p.Anchor, p.Positive, p.HardNegative))];
        _draws = new ExampleDraws(_texts.Length, options);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        int[] drawn = _draws!.Of(step, microBatch);
        _batch.Clear();
        _labels.Clear();
        for (int column = 0; column < _texts[0].Length; column++)
            foreach (int i in drawn)
                _texts[i][column].AppendTo(_batch);
        foreach (int i in drawn)
            _labels.Add(_scored.Count > 0 ? (float)_scored[i].Similarity : 0);
        return new DrawnBatch(_batch.Tokens, drawn.Length);
    }

    internal override Tensor Loss(Pass pass)
    {
        var vectors = pass.Pool(Model.Forward(pass, _batch), _batch, Pooling.Mean); // (columns · rows, width)
        int rows = _labels.Count;
        Tensor anchors = pass.Rows(vectors, 0, rows), others = pass.Rows(vectors, rows, vectors.Rows - rows);
        return _scored.Count > 0
            ? EmbeddingLosses.CoSent(pass, anchors, others, [.. _labels], Scale)
            : EmbeddingLosses.MultipleNegatives(pass, anchors, others, Scale);
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_heldOutScored.Count > 0)
        {
            float[][] first = Vectors(session, [.. _heldOutScored.Select(p => p.First)], cancellationToken),
                second = Vectors(session, [.. _heldOutScored.Select(p => p.Second)], cancellationToken);
            double[] cosines = [.. first.Zip(second).Select(p =>
                (double)System.Numerics.Tensors.TensorPrimitives.CosineSimilarity(p.First, p.Second))];
            return [new Measurement("spearman", Correlation.Spearman(cosines, [.. _heldOutScored.Select(p => p.Similarity)]) ?? 0)];
        }

        if (_heldOutPairs.Count == 0)
            return [];

        // Equal texts are one.
        string[] documents = [.. _heldOutPairs.Select(p => p.Positive).Distinct(StringComparer.Ordinal)];
        var place = documents.Index().ToDictionary(d => d.Item, d => d.Index, StringComparer.Ordinal);
        float[][] questions = Vectors(session, [.. _heldOutPairs.Select(p => p.Anchor)], cancellationToken),
            candidates = Vectors(session, documents, cancellationToken);
        double reciprocal = 0;
        int nearest = 0;
        for (int i = 0; i < questions.Length; i++)
        {
            float[] scores = [.. candidates.Select(c => System.Numerics.Tensors.TensorPrimitives.CosineSimilarity(questions[i], c))];
            float right = scores[place[_heldOutPairs[i].Positive]];
            int rank = 1 + scores.Count(s => s > right);
            nearest += rank == 1 ? 1 : 0;
            reciprocal += rank <= 10 ? 1.0 / rank : 0;
        }

        return [new Measurement("mrr@10", reciprocal / questions.Length),
            new Measurement("recall@1", (double)nearest / questions.Length)];
    }

    internal override void Save(string folder, CheckpointParts parts)
    {
        base.Save(folder, parts);
        var pooling = Directory.CreateDirectory(Path.Combine(folder, "1_Pooling")).FullName;
        WriteJson(Path.Combine(pooling, "config.json"), writer =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("word_embedding_dimension", Model.Width);
            writer.WriteBoolean("pooling_mode_mean_tokens", true);
            writer.WriteEndObject();
        });
        WriteJson(Path.Combine(folder, "modules.json"), writer =>
        {
            writer.WriteStartArray();
            Module(writer, 0, "", "Transformer");
            Module(writer, 1, "1_Pooling", "Pooling");
            writer.WriteEndArray();
        });
        WriteJson(Path.Combine(folder, "sentence_bert_config.json"), writer =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("max_seq_length", _length == 0 ? Model.ContextLength : _length);
            writer.WriteBoolean("do_lower_case", false);
            writer.WriteEndObject();
        });
    }

    private static void Module(Utf8JsonWriter writer, int number, string path, string type)
    {
        writer.WriteStartObject();
        writer.WriteNumber("idx", number);
        writer.WriteString("name", number.ToString(System.Globalization.CultureInfo.InvariantCulture));
        writer.WriteString("path", path);
        writer.WriteString("type", "sentence_transformers.models." + type);
        writer.WriteEndObject();
    }

    private static void WriteJson(string file, Action<Utf8JsonWriter> write) => AtomicFile.Write(file, stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        write(writer);
    });

    private EncodedText[] Both(Tokenizer cutting, params string[] texts) => [.. texts.Select(t => Encoded(cutting, t, null, out _))];

    private float[][] Vectors(InferenceSession session, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        var cutting = Cutting(_length, TruncationStrategy.LongestFirst, 0);
        var vectors = new List<float[]>();
        InBatches([.. texts.Select(t => Encoded(cutting, t, null, out _))], t => t.Ids.Length, together =>
        {
            _batch.Clear();
            foreach (var text in together)
                text.AppendTo(_batch);
            var pass = session.Begin(cancellationToken);
            var pooled = pass.Read(pass.Pool(Model.Forward(pass, _batch), _batch, Pooling.Mean));
            for (int i = 0; i < together.Count; i++)
                vectors.Add(pooled.Slice(i * Model.Width, Model.Width).ToArray());
        });
        return [.. vectors];
    }
}
