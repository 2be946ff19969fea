using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A recipe over an encoder.</summary>
public abstract class EncoderTask : TrainingTask
{
    private const int MaxTokensInABatch = 4096;

    private protected EncoderTask(EncoderModel model, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.VocabularySize > model.VocabularySize)
            throw new TrainingException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model {model.VocabularySize}. Train "
                + $"with "
                + "the tokenizer that belongs to the model.");
        Model = model;
        Tokenizer = tokenizer;
    }

    /// <summary>The model.</summary>
    public EncoderModel Model { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    internal override IReadOnlyList<Parameter> Trained => Model.Parameters;

    internal override int ContextLength(TrainingOptions options) => Math.Min(options.ContextLength ?? int.MaxValue, Model.ContextLength);

    internal override void Save(string folder, CheckpointParts parts) => EncoderCheckpoint.Write(Model, folder, parts);

    internal override void Load(string folder) => EncoderCheckpoint.LoadInto(Model, folder);

    /// <summary>A text, or two, cut to a length.</summary>
    private protected EncodedText Encode(string text, string? second, int length, TruncationStrategy strategy = default)
        => Encoded(Cutting(length, strategy, 0), text, second, out _);

    /// <summary>A tokenizer that cuts.</summary>
    private protected Tokenizer Cutting(int length, TruncationStrategy strategy, int stride)
        => Tokenizer.WithTruncation(new TruncationOptions { MaxLength = length, Strategy = strategy, Stride = stride });

    private protected EncodedText Encoded(Tokenizer tokenizer, string text, string? second, out TokenizedText tokens)
    {
        tokens = second is null ? tokenizer.EncodeWithOffsets(text) : tokenizer.EncodePair(text, second);
        return Encoded(tokens);
    }

    private protected EncodedText Encoded(TokenizedText tokens)
        => new([.. tokens.Ids], Model.TextTypes > 1 ? [.. tokens.TypeIds] : new int[tokens.Ids.Count]);

    /// <summary>Runs over examples in batches of at most so many tokens.</summary>
    private protected static void InBatches<T>(IReadOnlyList<T> examples, Func<T, int> tokensOf, Action<IReadOnlyList<T>> visit)
    {
        var together = new List<T>();
        int tokens = 0;
        foreach (var example in examples)
        {
            if (together.Count > 0 && tokens + tokensOf(example) > MaxTokensInABatch)
            {
                visit(together);
                together = [];
                tokens = 0;
            }

            together.Add(example);
            tokens += tokensOf(example);
        }

        if (together.Count > 0)
            visit(together);
    }
}

/// <summary>What an encoder reads.</summary>
/// <param name="Ids">The tokens, special ones included.</param>
/// <param name="Types">The type of each: 0 for the first text, 1 for the second.</param>
internal readonly record struct EncodedText(int[] Ids, int[] Types)
{
    public void AppendTo(Batch batch) => batch.Append(Ids, Types);
}
