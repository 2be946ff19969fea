using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A part of a template that has a value.</summary>
internal abstract class Expression
{
    private const int CheckedEvery = 32;

    /// <summary>The height of the tree below, itself included.</summary>
    public int Height { get; private set; } = 1;

    /// <summary>Whether it is made of numbers and operators alone.</summary>
    public virtual bool IsConstant => false;

    public object Evaluate(Rendering run, Scope scope)
    {
        run.Meter.Step();
        if (Height % CheckedEvery == 0)
            Meter.CheckStack();
        return Compute(run, scope);
    }

    protected abstract object Compute(Rendering run, Scope scope);

    /// <summary>Notes a part, so that the height is known and bounded.</summary>
    protected T Holding<T>(T part)
        where T : Expression
    {
        Height = Math.Max(Height, part.Height + 1);
        if (Height > TemplateLimits.MaxExpressionHeight)
            throw Fail.Limit($"An expression has more than {TemplateLimits.MaxExpressionHeight} operators, filters and brackets inside one another.");
        return part;
    }

    protected IReadOnlyList<T> Holding<T>(IReadOnlyList<T> parts)
        where T : Expression
    {
        foreach (var part in parts)
            Holding(part);
        return parts;
    }
}
