using Kotonoha.Foundation;

namespace Kotonoha.Agents.Tools;

/// <summary>An expression cannot be read, or has no finite value.</summary>
public sealed class CalculatorException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="position">Where in the expression, from 1, in UTF-16 units.</param>
    /// <param name="problem">What is wrong and what to do about it.</param>
    public CalculatorException(string expression, int position, string problem)
        : base($"'{(expression.Length <= MaxShown ? expression : expression[..MaxShown] + "…")}', position {position}: {problem}")
    {
        Position = position;
    }

    private const int MaxShown = 80;

    /// <summary>Where in the expression, from 1, in UTF-16 units.</summary>
    public int Position { get; }
}
