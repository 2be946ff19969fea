namespace Kotonoha.Foundation.Unicode;

/// <summary>
/// How a code point takes part in grapheme clusters (Unicode Standard Annex 29, table 2; Extended_Pictographic of emoji-data).
/// </summary>
public enum GraphemeBreakClass
{
    /// <summary>Stands for itself.</summary>
    Other,

    /// <summary>Carriage return.</summary>
    CarriageReturn,

    /// <summary>Line feed.</summary>
    LineFeed,

    /// <summary>Always alone.</summary>
    Control,

    /// <summary>Joins what comes before it.</summary>
    Extend,

    /// <summary>Zero width joiner.</summary>
    ZeroWidthJoiner,

    /// <summary>One half of a flag.</summary>
    RegionalIndicator,

    /// <summary>Joins what follows it.</summary>
    Prepend,

    /// <summary>Joins what comes before it.</summary>
    SpacingMark,

    /// <summary>Hangul leading consonant.</summary>
    HangulLeading,

    /// <summary>Hangul vowel.</summary>
    HangulVowel,

    /// <summary>Hangul trailing consonant.</summary>
    HangulTrailing,

    /// <summary>Hangul syllable without a trailing consonant.</summary>
    HangulSyllable,

    /// <summary>Hangul syllable with a trailing consonant.</summary>
    HangulClosedSyllable,

    /// <summary>A pictograph that zero width joiners join.</summary>
    Pictographic,
}
