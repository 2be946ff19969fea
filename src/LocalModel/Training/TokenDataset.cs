using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// What a model is trained on, and what it is measured on: two sequences of tokens. Training takes windows at random places of the first.
/// </summary>
public sealed class TokenDataset : TrainingDataset
{
    /// <summary>The part of the text that is held out by default.</summary>
    public const double DefaultValidationFraction = 0.1;

    private const string TrainFile = "train.tokens";
    private const string ValidationFile = "validation.tokens";

    /// <summary>Joins two parts; the dataset owns them from now on.</summary>
    /// <param name="train">The tokens to train on.</param>
    /// <param name="validation">The held-out tokens; may be empty.</param>
    /// <exception cref="ArgumentException">The parts have different vocabularies.</exception>
    public TokenDataset(TokenSource train, TokenSource validation)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(validation);
        if (train.VocabularySize != validation.VocabularySize)
            throw new ArgumentException(
                $"The training part has a vocabulary of {train.VocabularySize}, the validation part of {validation.VocabularySize}.",
                nameof(validation));
        Train = train;
        Validation = validation;
    }

    /// <summary>The tokens to train on.</summary>
    public TokenSource Train { get; }

    /// <summary>The held-out tokens; may be empty.</summary>
    public TokenSource Validation { get; }

    /// <inheritdoc/>
    public override int VocabularySize => Train.VocabularySize;

    internal override ulong Fingerprint => Train.Fingerprint;

    internal override long TrainTokens => Train.Count;

    /// <summary>A dataset in memory; the last part is held out.</summary>
    /// <param name="tokens">The ids.</param>
    /// <param name="vocabularySize">All ids are below this number.</param>
    /// <param name="validationFraction">The part that is held out, from 0 (none) to below 1.</param>
    /// <exception cref="ArgumentException">An id lies outside the vocabulary.</exception>
    public static TokenDataset FromTokens(
        ReadOnlySpan<int> tokens, int vocabularySize, double validationFraction = DefaultValidationFraction)
    {
        int held = (int)HeldOut(tokens.Length, validationFraction);
        return new TokenDataset(
            new MemoryTokens(tokens[..^held].ToArray(), vocabularySize),
            new MemoryTokens(tokens[^held..].ToArray(), vocabularySize));
    }

    /// <summary>A dataset whose tokens are the bytes of a text (vocabulary 256); the last part is held out.</summary>
    /// <param name="bytes">The text, most often UTF-8.</param>
    /// <param name="validationFraction">The part that is held out, from 0 (none) to below 1.</param>
    public static TokenDataset FromBytes(ReadOnlySpan<byte> bytes, double validationFraction = DefaultValidationFraction)
    {
        var ids = new int[bytes.Length];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = bytes[i];
        return FromTokens(ids, byte.MaxValue + 1, validationFraction);
    }

    /// <summary>A dataset in memory of the text files at some paths; of every file the last part is held out.</summary>
    /// <param name="tokenizer">The tokenizer; its <c>&lt;|endoftext|&gt;</c>, if it has one, follows every file.</param>
    /// <param name="paths">Files, or folders of .txt and .md files.</param>
    /// <exception cref="TokenizerException">There is no such file, or one is not UTF-8.</exception>
    public static TokenDataset From(Tokenizer tokenizer, params IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var files = paths.SelectMany(path => TextCorpus.From(path).Files);
        return From(tokenizer, files.Select(file => string.Concat(TextCorpus.From(file))), DefaultValidationFraction);
    }

    /// <summary>A dataset in memory of some documents; of every document the last part is held out.</summary>
    /// <param name="tokenizer">The tokenizer; its <c>&lt;|endoftext|&gt;</c>, if it has one, follows every document.</param>
    /// <param name="documents">The texts.</param>
    /// <param name="validationFraction">The part that is held out, from 0 (none) to below 1.</param>
    public static TokenDataset From(Tokenizer tokenizer, IEnumerable<string> documents, double validationFraction)
    {
        List<int> train = [], validation = [];
        foreach (var document in Encode(tokenizer, documents))
        {
            int held = (int)HeldOut(document.Length, validationFraction);
            train.AddRange(document.Span[..^held]);
            validation.AddRange(document.Span[^held..]);
        }

        return new TokenDataset(new MemoryTokens([.. train], tokenizer.VocabularySize),
            new MemoryTokens([.. validation], tokenizer.VocabularySize));
    }

    /// <summary>A dataset in memory of documents to train on and of documents that are held out.</summary>
    /// <param name="tokenizer">The tokenizer; its <c>&lt;|endoftext|&gt;</c>, if it has one, follows every document.</param>
    /// <param name="train">The texts to train on.</param>
    /// <param name="heldOut">The texts to measure on; may be empty.</param>
    public static TokenDataset From(Tokenizer tokenizer, IEnumerable<string> train, IEnumerable<string> heldOut)
    {
        return new TokenDataset(Joined(train), Joined(heldOut));

        MemoryTokens Joined(IEnumerable<string> documents)
        {
            var ids = new List<int>();
            foreach (var document in Encode(tokenizer, documents))
                ids.AddRange(document.Span);
            return new MemoryTokens([.. ids], tokenizer.VocabularySize);
        }
    }

    /// <summary>
    /// The token ids of documents, each followed by the tokenizer's <c>&lt;|endoftext|&gt;</c> if it has one; for <see cref="Build"/>.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="documents">The texts.</param>
    public static IEnumerable<ReadOnlyMemory<int>> Encode(Tokenizer tokenizer, IEnumerable<string> documents)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(documents);
        int? end = tokenizer.TokenToId(CheckpointParts.EndOfText);
        return documents.Select(text =>
        {
            var ids = new List<int>();
            tokenizer.Encode(text, ids, addSpecialTokens: false);
            if (end is { } id)
                ids.Add(id);
            return (ReadOnlyMemory<int>)ids.ToArray();
        });
    }

    /// <summary>Writes tokenised documents into two token files; of every document the last part is held out.</summary>
    /// <param name="folder">The folder for the files; created if it does not exist.</param>
    /// <param name="documents">The ids of each document, its end token included.</param>
    /// <param name="vocabularySize">All ids are below this number.</param>
    /// <param name="validationFraction">The part that is held out, from 0 (none) to below 1.</param>
    /// <returns>The dataset, open.</returns>
    /// <exception cref="ArgumentException">An id lies outside the vocabulary.</exception>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static TokenDataset Build(
        string folder, IEnumerable<ReadOnlyMemory<int>> documents, int vocabularySize,
        double validationFraction = DefaultValidationFraction)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(documents);
        Directory.CreateDirectory(folder);
        using (var train = new TokenFileWriter(Path.Combine(folder, TrainFile), vocabularySize))
        using (var validation = new TokenFileWriter(Path.Combine(folder, ValidationFile), vocabularySize))
        {
            foreach (var document in documents)
            {
                int held = (int)HeldOut(document.Length, validationFraction);
                train.Add(document.Span[..^held]);
                validation.Add(document.Span[^held..]);
            }

            // If the process ends between the two, old held-out tokens must not stand beside new training tokens.
            File.Delete(Path.Combine(folder, ValidationFile));
            train.Complete();
            validation.Complete();
        }

        return Open(folder);
    }

    /// <summary>Opens the token files that <see cref="Build"/> wrote.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="TokenFileException">A file is broken.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TokenDataset Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var train = TokenFile.Open(Path.Combine(folder, TrainFile));
        try
        {
            return new TokenDataset(train, TokenFile.Open(Path.Combine(folder, ValidationFile)));
        }
        catch
        {
            train.Dispose();
            throw;
        }
    }

    internal override BatchSampler Sampler(TrainingOptions options, int contextLength)
        => new WindowSampler(Train, options.BatchSize, contextLength, options.Seed);

    internal override double? MeasureValidationLoss(
        CausalModel model, InferenceSession session, int contextLength, CancellationToken cancellationToken)
        => Validation.Count > 1 ? ValidationLoss.Measure(model, Validation, session, contextLength, cancellationToken).Loss : null;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        Train.Dispose();
        Validation.Dispose();
    }

    private static long HeldOut(long tokens, double fraction)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(fraction);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(fraction, 1.0);
        return tokens - (long)(tokens * (1 - fraction));
    }
}

/// <summary>A long sequence of token ids that windows are read from; thread-safe.</summary>
public abstract class TokenSource : IDisposable
{
    /// <summary>The number of tokens.</summary>
    public abstract long Count { get; }

    /// <summary>All ids are below this number.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>A hash of the ids, by which a resumed run recognises its data.</summary>
    public abstract ulong Fingerprint { get; }

    /// <summary>Copies ids.</summary>
    /// <param name="start">The place of the first, from 0.</param>
    /// <param name="destination">Receives as many as it has room for.</param>
    /// <exception cref="ArgumentOutOfRangeException">The sequence ends before that.</exception>
    public abstract void CopyTo(long start, Span<int> destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases files and memory.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }

    private protected void CheckRange(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Count - count);
    }
}

/// <summary>Token ids in an array.</summary>
internal sealed class MemoryTokens : TokenSource
{
    private readonly int[] _ids;

    public MemoryTokens(int[] ids, int vocabularySize)
    {
        _ids = ids;
        VocabularySize = vocabularySize;
        ulong hash = TokenHash.Start;
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)vocabularySize)
                throw new ArgumentException($"Token {i} has the id {ids[i]}, outside the vocabulary of {vocabularySize}.", nameof(ids));
            hash = TokenHash.Add(hash, ids[i]);
        }

        Fingerprint = hash;
    }

    public override long Count => _ids.Length;

    public override int VocabularySize { get; }

    public override ulong Fingerprint { get; }

    public override void CopyTo(long start, Span<int> destination)
    {
        CheckRange(start, destination.Length);
        _ids.AsSpan((int)start, destination.Length).CopyTo(destination);
    }
}
