using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>How texts become vectors.</summary>
public sealed record EmbeddingRequestOptions
{
    /// <summary>How the tokens' hidden states (after the final norm) become one vector. Default: their mean.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>Whether the vector is normalised to length one. Default true.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>The leading components to keep (then normalised again); null keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Whether a text longer than the context is cut at its end; by default it is refused.</summary>
    public bool TruncateLongTexts { get; init; }
}

/// <summary>The vectors of several texts.</summary>
/// <param name="Vectors">One vector per text, in the order of the texts.</param>
/// <param name="InputTokens">The tokens of all texts together.</param>
/// <param name="TruncatedTexts">How many texts were longer than the model reads and were cut.</param>
public sealed record EmbeddingResult(IReadOnlyList<float[]> Vectors, int InputTokens, int TruncatedTexts = 0);

/// <summary>How an encoder turns texts into vectors.</summary>
public sealed record EncodingOptions
{
    /// <summary>
    /// The name of the prompt to put before each text. <c>query</c> and <c>document</c> may be asked of any model: a document's prompt may
    /// also be called <c>passage</c> or <c>corpus</c>, and where there is none the default applies. Null for the model's default, if it has
    /// one.
    /// </summary>
    public string? PromptName { get; init; }

    /// <summary>The text to put before each text, instead of a named prompt.</summary>
    public string? Prompt { get; init; }

    /// <summary>Whether vectors are normalised to length one; null for what the model's files say.</summary>
    public bool? Normalize { get; init; }

    /// <summary>The leading components to keep (normalised again where vectors are); null keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>
    /// Whether a text longer than the model reads is cut at its end, as sentence-transformers does; otherwise it is refused. Default true.
    /// </summary>
    public bool TruncateLongTexts { get; init; } = true;
}

/// <summary>The class of a text.</summary>
/// <param name="Label">The likeliest one.</param>
/// <param name="Scores">The probability of each class, in the order of <see cref="LocalEncoder.LabelNames"/>.</param>
/// <param name="InputTokens">The tokens of the text.</param>
/// <param name="Truncated">Whether the text was longer than the model reads and was cut.</param>
public sealed record ClassificationResult(string Label, IReadOnlyList<float> Scores, int InputTokens, bool Truncated);

/// <summary>A labelled stretch of a text.</summary>
/// <param name="Start">The first character, in UTF-16 units.</param>
/// <param name="End">The one behind the last.</param>
/// <param name="Label">What it is.</param>
/// <param name="Score">The mean probability of its words' classes.</param>
public readonly record struct TaggedSpan(int Start, int End, string Label, float Score);

/// <summary>The labelled stretches of a text.</summary>
/// <param name="Spans">The stretches, in the order of the text.</param>
/// <param name="InputTokens">The tokens of the text.</param>
/// <param name="Truncated">Whether the text was longer than the model reads; nothing is found behind the cut.</param>
public sealed record TaggingResult(IReadOnlyList<TaggedSpan> Spans, int InputTokens, bool Truncated);

/// <summary>How well texts answer a query.</summary>
/// <param name="Scores">One score per text, in the order of the texts; higher is better.</param>
/// <param name="InputTokens">The tokens of all pairs together.</param>
/// <param name="TruncatedTexts">How many pairs were longer than the model reads and were cut.</param>
public sealed record RerankResult(IReadOnlyList<float> Scores, int InputTokens, int TruncatedTexts);
