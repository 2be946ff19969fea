namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>What the word patterns that look at case ask of a code point.</summary>
internal enum CasedClass : byte
{
    /// <summary>None of the others.</summary>
    Other,

    /// <summary>Categories Lu and Lt.</summary>
    Upper,

    /// <summary>Category Ll.</summary>
    Lower,

    /// <summary>Categories Lm and Lo.</summary>
    Uncased,

    /// <summary>Categories M*.</summary>
    Mark,

    /// <summary>Categories N*.</summary>
    Number,

    /// <summary>Categories P* and S*.</summary>
    Symbol,

    /// <summary>White space other than CR and LF.</summary>
    Blank,

    /// <summary>CR or LF.</summary>
    LineEnd,

    /// <summary>Half of a surrogate pair: the class is found by the whole code point.</summary>
    Surrogate,
}
