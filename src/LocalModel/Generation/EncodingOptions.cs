namespace Kotonoha.LocalModel.Generation;

/// <summary>How an encoder makes vectors of texts.</summary>
public sealed record EncodingOptions
{
    /// <summary>
    /// The name of the prompt to put before each text. <c>query</c> and <c>document</c> may be asked of any model: a document's prompt may also be called
    /// <c>passage</c> or <c>corpus</c>, and where there is none the default applies. Null for the model's default, if it has one.
    /// </summary>
    public string? PromptName { get; init; }

    /// <summary>The text to put before each text, instead of a named prompt.</summary>
    public string? Prompt { get; init; }

    /// <summary>Whether vectors are brought to length one; null for what the model's files say.</summary>
    public bool? Normalize { get; init; }

    /// <summary>The leading components to keep (normalised again where vectors are); null keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>A text longer than the model reads is cut at its end, as sentence-transformers does; otherwise it is refused. Default true.</summary>
    public bool TruncateLongTexts { get; init; } = true;
}
