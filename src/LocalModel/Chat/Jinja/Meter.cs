using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Counts what the reading or the rendering of one template uses, and stops it at the limits.</summary>
internal sealed class Meter
{
    private const int CharactersPerStep = 64;
    private const int BytesPerCharacter = 2;
    private const int BytesPerItem = 16;
    private const int BytesPerObject = 48;

    private long bytes;
    private int depth;

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
        if (++depth > TemplateLimits.MaxCallDepth)
            throw Fail.Limit($"More than {TemplateLimits.MaxCallDepth} macros, loops and blocks run inside one another.");
        CheckStack();
    }

    public void Leave() => depth--;

    /// <summary>Stops before the thread's own stack ends.</summary>
    public static void CheckStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Fail.Limit("The template nests deeper than this thread's stack allows.");
    }

    private void Take(long count)
    {
        bytes += count;
        if (bytes > TemplateLimits.MaxBytes)
            throw Fail.Limit($"The template asks for more than {TemplateLimits.MaxBytes >> 20} MiB.");
    }

    private static ChatTemplateException TooManySteps() => Fail.Limit($"The template takes more than {TemplateLimits.MaxSteps} steps.");
}
