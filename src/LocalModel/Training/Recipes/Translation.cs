using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>
/// Teaches an encoder–decoder to turn sources into targets (arXiv:1706.03762): the mean of −log p(token | source, the target before it)
/// over the targets' tokens, with <see cref="TrainingOptions.LabelSmoothing"/>. Each epoch has every pair once, in batches of similar
/// length; <see cref="TrainingOptions.BatchSize"/> counts pairs of average length.
/// </summary>
public sealed class Translation : TrainingTask
{
    private const int MaxTokensInABatch = 4096;

    private readonly IReadOnlyList<TranslationPair> _train;
    private readonly IReadOnlyList<TranslationPair> _heldOut;
    private ParallelDataset? _data;
    private ParallelDataset? _measured;
    private (int[] Source, int[] Target)[] _measuredPairs = [];
    private int _microBatches = 1;
    private CrossEntropyOptions _loss;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">The tokenizer of sources and targets.</param>
    /// <param name="settings">Names the token that ends sources and targets, and how targets are searched for when they are scored.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <exception cref="TrainingException">There is no pair or no end token, or the tokenizer does not fit the model.</exception>
    public Translation(
        EncoderDecoderModel model, Tokenizer tokenizer, SequenceSettings settings, IReadOnlyList<TranslationPair> train,
        IReadOnlyList<TranslationPair> heldOut)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        int known = Math.Min(model.SourceVocabularySize, model.VocabularySize);
        if (tokenizer.VocabularySize > known)
            throw new TrainingException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model {known}. Train with the tokenizer "
                + "that belongs to the model.");
        if (settings.EndTokenIds.Count == 0)
            throw new TrainingException("The settings name no end token, so no target would ever end. Set EndTokenIds.");
        if (train.Count == 0)
            throw new TrainingException("There is no pair to learn from.");
        (Model, Tokenizer, Settings, _train, _heldOut) = (model, tokenizer, settings, train, heldOut);
    }

    /// <inheritdoc/>
    public override string Name => "translation";

    /// <summary>The model.</summary>
    public EncoderDecoderModel Model { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Special tokens and how targets are searched for.</summary>
    public SequenceSettings Settings { get; }

    /// <summary>
    /// Rates what the model makes of the held-out sources, which is given first, against the targets there are; null for no such figure.
    /// </summary>
    public Func<IReadOnlyList<string>, IReadOnlyList<string>, Measurement>? Score { get; init; }

    internal override IReadOnlyList<Parameter> Trained => Model.TrainedParameters;

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var pair in _train)
            {
                hash.Add(pair.Source);
                hash.Add(pair.Target);
            }

            return hash.Value;
        }
    }

    internal override long Size => _train.Count;

    internal override int ContextLength(TrainingOptions options)
        => Math.Min(options.ContextLength ?? int.MaxValue, Model.ContextLength ?? int.MaxValue);

    internal override void Prepare(TrainingOptions options)
    {
        int longest = ContextLength(options);
        var pairs = _train.Select(Encode).Where(p => p.Source.Length <= longest && p.Target.Length <= longest).ToArray();
        LeftOut = _train.Count - pairs.Length;
        if (pairs.Length == 0)
            throw new TrainingException($"Every pair is longer than {longest} tokens. Raise ContextLength.");
        _data = new ParallelDataset(pairs, Model.StartTokenId, options.BatchSize, options.Seed);
        _measuredPairs = [.. _heldOut.Select(Encode).Where(p => p.Source.Length <= longest && p.Target.Length <= longest)];
        _measured = _measuredPairs.Length == 0 ? null : new ParallelDataset(_measuredPairs, Model.StartTokenId, 1, options.Seed);
        _microBatches = options.MicroBatches;
        _loss = new CrossEntropyOptions { LabelSmoothing = (float)options.LabelSmoothing };
    }

    /// <summary>The pairs that are left out because a side is longer than the context.</summary>
    public int LeftOut { get; private set; }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _data!.Draw(step * _microBatches + microBatch);
        return new DrawnBatch(_data.Sources.Tokens + _data.Inputs.Tokens, _data.Inputs.Tokens);
    }

    internal override Tensor Loss(Pass pass) => pass.CrossEntropy(Logits(Model, pass, _data!), _data!.Targets, _loss);

    /// <summary>The logits at each of the decoder's inputs: (input tokens, vocabulary).</summary>
    internal static Tensor Logits(EncoderDecoderModel model, Pass pass, ParallelDataset drawn)
    {
        var encoded = new EncodedSources(model.Encode(pass, drawn.Sources), drawn.Sources);
        return model.Logits(pass, model.Decode(pass, drawn.Inputs, encoded));
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_measured is null)
            return [];
        double sum = 0;
        long counted = 0, right = 0;
        foreach (var pairs in InBatches(_measuredPairs))
        {
            _measured.Take(pairs);
            var pass = session.Begin(cancellationToken);
            var logits = Logits(Model, pass, _measured);
            int[] targets = _measured.Targets;
            foreach (float loss in pass.Read(pass.CrossEntropy(logits, targets, new CrossEntropyOptions { Reduction = Reduction.None })))
                sum += loss;
            var scores = pass.Read(logits);
            for (int i = 0; i < targets.Length; i++)
                right += TokenSampler.Best(scores.Slice(i * Model.VocabularySize, Model.VocabularySize)) == targets[i] ? 1 : 0;
            counted += targets.Length;
        }

        List<Measurement> figures = [new("loss", sum / counted), new("accuracy", (double)right / counted)];
        if (Score is { } score)
            figures.Add(score(Translate(session, [.. _heldOut.Select(p => p.Source)], cancellationToken),
                [.. _heldOut.Select(p => p.Target)]));
        return figures;
    }

    /// <summary>What the model makes of sources, as the settings say.</summary>
    internal IReadOnlyList<string> Translate(InferenceSession session, IReadOnlyList<string> sources, CancellationToken cancellationToken)
    {
        var tasks = sources.Select(s => SequenceToSequence.TaskOf(
            Model, Settings, SequenceToSequence.Encode(Tokenizer, Settings, s), new SequenceOptions())).ToArray();
        SequenceToSequence.RunAll(new SequenceSearch(Model, session), tasks, cancellationToken);
        return [.. tasks.Select(t => t.Search.Results is [var best, ..]
            ? Tokenizer.Decode(best.Ended ? best.Ids.AsSpan(0, best.Ids.Length - 1) : best.Ids, skipSpecialTokens: true)
            : "")];
    }

    internal override void Save(string folder, CheckpointParts parts) => EncoderDecoderCheckpoint.Write(Model, folder, Tokenizer, Settings);

    internal override void Load(string folder) => EncoderDecoderCheckpoint.LoadInto(Model, folder);

    private (int[] Source, int[] Target) Encode(TranslationPair pair) => ParallelDataset.Encode(Tokenizer, Settings, pair);

    private static IEnumerable<IReadOnlyList<(int[] Source, int[] Target)>> InBatches((int[] Source, int[] Target)[] pairs)
    {
        var together = new List<(int[] Source, int[] Target)>();
        int tokens = 0;
        foreach (var pair in pairs)
        {
            if (together.Count > 0 && tokens + pair.Source.Length + pair.Target.Length > MaxTokensInABatch)
            {
                yield return together;
                together = [];
                tokens = 0;
            }

            together.Add(pair);
            tokens += pair.Source.Length + pair.Target.Length;
        }

        yield return together;
    }
}
