namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>What a template may use. A template comes with a model from anywhere and is treated like a hostile program.</summary>
internal static class TemplateLimits
{
    /// <summary>The longest template, in UTF-16 units.</summary>
    public const int MaxTemplateLength = 1 << 20;

    /// <summary>Blocks, brackets and operators inside one another while a template is read.</summary>
    public const int MaxNesting = 100;

    /// <summary>The height of one expression, chains of operators included.</summary>
    public const int MaxExpressionHeight = 400;

    /// <summary>Macros, recursive loops and blocks inside one another while a template runs.</summary>
    public const int MaxCallDepth = 100;

    /// <summary>Steps of one rendering: an evaluated node, a comparison, 64 copied characters.</summary>
    public const long MaxSteps = 10_000_000;

    /// <summary>Memory that one rendering asks for, all together, in bytes.</summary>
    public const long MaxBytes = 512L << 20;

    /// <summary>The longest text, in UTF-16 units.</summary>
    public const int MaxTextLength = 32 << 20;

    /// <summary>The items of the longest list.</summary>
    public const int MaxItems = 4 << 20;

    /// <summary>The items of <c>range</c>, as in Jinja's sandbox.</summary>
    public const int MaxRange = 100_000;

    /// <summary>The bits of the largest integer.</summary>
    public const int MaxIntegerBits = 1 << 16;

    /// <summary>The digits of the longest integer that becomes text or is read from text, as in Python.</summary>
    public const int MaxIntegerDigits = 4300;

    /// <summary>The digits behind the point when a number is formatted.</summary>
    public const int MaxPrecision = 4096;

    /// <summary>Lists and dictionaries inside one another.</summary>
    public const int MaxDataDepth = 256;
}
