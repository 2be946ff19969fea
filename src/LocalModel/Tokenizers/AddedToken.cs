namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>A token that is searched in the text before the model sees it, for example <c>&lt;|endoftext|&gt;</c>.</summary>
/// <param name="Id">The token's id.</param>
/// <param name="Content">The text that stands for it.</param>
public sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control token: left out by decoding on request, and recognised in a text on request only.</summary>
    public bool IsSpecial { get; init; }

    /// <summary>Whether it only matches where no letter, digit, mark or connector stands on either side.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it swallows the white space to its left.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Whether it swallows the white space to its right.</summary>
    public bool StripRight { get; init; }

    /// <summary>Whether it is searched in the normalised text (its content is then normalised too).</summary>
    public bool Normalized { get; init; }
}
