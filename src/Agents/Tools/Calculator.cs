using System.ComponentModel;
using Kotonoha.Agents.Safety;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>
/// Calculates expressions with <c>+ - * / % ^</c>, parentheses, the constants <c>pi</c> and <c>e</c>, and functions such as <c>sqrt</c>,
/// <c>round</c>, <c>min</c>, <c>ln</c> and <c>sin</c>. It only reads numbers and names that it knows; no code is run.
/// </summary>
/// <remarks>
/// <c>%</c> is the remainder with the sign of the left side; <c>^</c> (or <c>**</c>) binds to the right and before a sign, so <c>-2^2</c>
/// is -4; angles are in radians; <c>round</c> goes away from zero at the half. Arithmetic is exact in decimals of up to 28 digits; results
/// that do not fit and most functions are double precision. Thread-safe.
/// </remarks>
public static class Calculator
{
    /// <summary>The longest expression in UTF-16 units.</summary>
    public const int MaxLength = 2000;

    /// <summary>How deep parentheses, signs and powers may be nested.</summary>
    public const int MaxDepth = 100;

    /// <summary>Calculates an expression.</summary>
    /// <param name="expression">For example <c>(12.5 + 3) * 4</c>.</param>
    /// <returns>
    /// The value, in the shortest form that keeps every digit: digits, a point where needed, an exponent for very large and very small
    /// values.
    /// </returns>
    /// <exception cref="CalculatorException">The expression cannot be read, or has no finite value (division by zero, a root of a negative
    /// number, too large).</exception>
    public static string Evaluate(string expression)
    {
        ArgumentNullException.ThrowIfNull(expression);
        return new CalculatorParser(expression).Evaluate().ToString();
    }

    /// <summary>The calculator as a tool named <c>calculator</c> with the argument <c>expression</c>.</summary>
    /// <returns>A function for agents, prompt templates and chat clients; its errors are <see cref="CalculatorException"/>.</returns>
    public static AIFunction CreateFunction() => AIFunctionFactory.Create(
        ([Description("For example (12.5 + 3) * 4 or sqrt(2)")] string expression) => Evaluate(expression),
        "calculator",
        "Calculates an arithmetic expression with + - * / % ^, parentheses and functions such as sqrt, round, min, max, ln, sin.")
        .ReadOnly();
}
