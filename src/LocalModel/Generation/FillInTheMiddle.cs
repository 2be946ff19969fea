using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>The control tokens by which a model fills in a text between what comes before it and what comes after it.</summary>
/// <remarks>
/// Source: Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", in the order prefix, suffix, middle.
/// </remarks>
public sealed record FillInTheMiddle
{
    // As StarCoder and Granite, SantaCoder, CodeGemma and Qwen, and DeepSeek spell them.
    private static readonly (string Prefix, string Suffix, string Middle)[] Spellings =
    [
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ];

    // What stands between files and repositories in their training data; the text between is over there.
    private static readonly string[] Borders =
    [
        "<fim_pad>", "<fim-pad>", "<|fim_pad|>", "<file_sep>", "<|file_sep|>", "<|file_separator|>", "<repo_name>", "<|repo_name|>",
    ];

    private FillInTheMiddle(int prefix, int suffix, int middle, IReadOnlyList<int> borders)
        => (Prefix, Suffix, Middle, EndTokens) = (prefix, suffix, middle, [prefix, suffix, middle, .. borders]);

    /// <summary>The token before what comes before.</summary>
    public int Prefix { get; }

    /// <summary>The token before what comes after.</summary>
    public int Suffix { get; }

    /// <summary>The token after which the model writes what comes between.</summary>
    public int Middle { get; }

    /// <summary>The tokens that end the text between, beside the model's own end tokens.</summary>
    public IReadOnlyList<int> EndTokens { get; }

    /// <summary>Finds the tokens in a vocabulary.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <returns>The tokens; null where the vocabulary has none.</returns>
    public static FillInTheMiddle? Find(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        foreach (var (before, after, between) in Spellings)
            if (tokenizer.TokenToId(before) is { } prefix && tokenizer.TokenToId(after) is { } suffix
                && tokenizer.TokenToId(between) is { } middle)
                return new FillInTheMiddle(
                    prefix, suffix, middle, [.. Borders.Select(border => tokenizer.TokenToId(border)).OfType<int>()]);
        return null;
    }
}
