namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>The switches of a BPE model as tokenizer.json names them.</summary>
internal sealed record BpeModelOptions
{
    public string? UnknownToken { get; init; }

    public string? ContinuingSubwordPrefix { get; init; }

    public string? EndOfWordSuffix { get; init; }

    /// <summary>Whether neighbouring unknown characters become one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>Whether an unknown character becomes its bytes, as tokens like <c>&lt;0x0A&gt;</c>.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether a word that is a token is taken as it is, even if no merge makes it.</summary>
    public bool IgnoreMerges { get; init; }
}
