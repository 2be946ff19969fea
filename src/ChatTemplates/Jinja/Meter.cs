using System.Runtime.CompilerServices;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Counts what the reading or the rendering of one template uses, and stops it at the limits.</summary>
internal sealed class Meter
{
    private const int CharactersPerStep = 64;
    private const int BytesPerCharacter = 2;
    private const int BytesPerItem = 16;
    private const int BytesPerObject = 48;

    private long _bytes;
    private int _depth;

    /// <summary>The steps so far.</summary>
    public long Steps { get; private set; }

    public void Step()
    {
        if (++Steps > TemplateLimits.MaxSteps)
            throw TooManySteps();
    }

    /// <summary>Work over a number of characters or items that makes nothing new.</summary>
    public void Work(long units)
    {
        Steps += 1 + units / CharactersPerStep;
        if (Steps > TemplateLimits.MaxSteps)
            throw TooManySteps();
    }

    /// <summary>A text is about to be made.</summary>
    public void Text(long length)
    {
        if (length > TemplateLimits.MaxTextLength)
            throw Fail.Limit($"A text of {length} characters is too long; at most {TemplateLimits.MaxTextLength} are allowed.");
        Work(length);
        Take(BytesPerObject + length * BytesPerCharacter);
    }

    /// <summary>A list is about to be made.</summary>
    public void Items(long count)
    {
        if (count > TemplateLimits.MaxItems)
            throw Fail.Limit($"A list of {count} items is too long; at most {TemplateLimits.MaxItems} are allowed.");
        Work(count);
        Take(BytesPerObject + count * BytesPerItem);
    }

    public void Enter()
    {
        if (++_depth > TemplateLimits.MaxCallDepth)
            throw Fail.Limit($"More than {TemplateLimits.MaxCallDepth} macros, loops and blocks run inside one another.");
        CheckStack();
    }

    public void Leave() => _depth--;

    /// <summary>Stops before the thread's stack is exhausted.</summary>
    public static void CheckStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Fail.Limit("The template nests deeper than this thread's stack allows.");
    }

    private void Take(long count)
    {
        _bytes += count;
        if (_bytes > TemplateLimits.MaxBytes)
            throw Fail.Limit($"The template asks for more than {TemplateLimits.MaxBytes >> 20} MiB.");
    }

    private static ChatTemplateException TooManySteps() => Fail.Limit($"The template takes more than {TemplateLimits.MaxSteps} steps.");
}

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

    /// <summary>The digits after the point when a number is formatted.</summary>
    public const int MaxPrecision = 4096;

    /// <summary>How deep lists and dictionaries may nest.</summary>
    public const int MaxDataDepth = 256;
}
