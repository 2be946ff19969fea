namespace Kotonoha.Foundation.Text;

/// <summary>Tells text that is written without spaces from text that is written with them.</summary>
public static class CjkText
{
    /// <summary>Whether a UTF-16 unit belongs to kanji, kana, CJK punctuation or full-width forms (surrogates count: the supplementary
    /// planes here are mostly kanji and emoji).</summary>
    /// <param name="c">The unit.</param>
    public static bool IsCjk(char c)
        => c is (>= '\u2E80' and <= '\u9FFF') or (>= '\uF900' and <= '\uFAFF') or (>= '\uFE30' and <= '\uFE4F')
            or (>= '\uFF00' and <= '\uFFEF')
            || char.IsSurrogate(c);
}
