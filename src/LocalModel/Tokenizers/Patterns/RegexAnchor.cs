namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Conditions on a place in the text.</summary>
internal enum RegexAnchor
{
    /// <summary>The start of the text.</summary>
    TextStart,

    /// <summary>The end of the text.</summary>
    TextEnd,

    /// <summary>The end of the text, or before the line end that closes it.</summary>
    LastLineEnd,

    /// <summary>The start of the text, or after a line end that is not the text's last character.</summary>
    LineStart,

    /// <summary>The end of the text, or before a line end.</summary>
    LineEnd,

    /// <summary>Between a word character and none.</summary>
    WordBoundary,

    /// <summary>Not between a word character and none.</summary>
    NoWordBoundary,
}
