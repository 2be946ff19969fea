namespace Kotonoha.Grammars.JsonSchema;

/// <summary>The formats of strings, as patterns.</summary>
internal static class StringFormats
{
    /// <summary>The pattern of a format; null where it is not known, and so no more than an annotation.</summary>
    public static string? PatternOf(string format) => null;
}
