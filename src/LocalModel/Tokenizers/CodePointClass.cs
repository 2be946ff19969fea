namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>What the word patterns of byte-level tokenizers ask of a code point.</summary>
internal enum CodePointClass : byte
{
    /// <summary>Neither a letter nor a number nor white space.</summary>
    Other,

    /// <summary>Category L*.</summary>
    Letter,

    /// <summary>Category N*.</summary>
    Number,

    /// <summary>White space other than CR and LF.</summary>
    Blank,

    /// <summary>CR or LF.</summary>
    LineEnd,

    /// <summary>Half of a surrogate pair: the class is found by the whole code point.</summary>
    Surrogate,
}
