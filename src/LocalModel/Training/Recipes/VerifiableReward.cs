using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>Rewards that can be checked without a judge.</summary>
public static partial class VerifiableReward
{
    /// <summary>
    /// 1 if the completion's final result is the right one: what stands behind <c>####</c> (GSM8K's mark) or <c>=</c>, or the last number.
    /// Numbers are compared by value, other results by their letters.
    /// </summary>
    /// <param name="completion">What the model wrote.</param>
    /// <param name="right">The right result.</param>
    public static double FinalResult(string completion, string right)
    {
        ArgumentNullException.ThrowIfNull(completion);
        ArgumentNullException.ThrowIfNull(right);
        right = right.Trim();
        int mark = completion.LastIndexOf("####", StringComparison.Ordinal);
        var tail = mark >= 0 ? completion[(mark + 4)..] : completion;
        if (Value(right) is not { } wanted)
            return string.Equals(tail.Trim().TrimEnd('.'), right, StringComparison.OrdinalIgnoreCase) ? 1 : 0;
        var numbers = Numbers().Matches(tail);
        return numbers.Count > 0 && Value(numbers[^1].Value) == wanted ? 1 : 0;
    }

    private static decimal? Value(string text)
        => decimal.TryParse(text.Replace(",", "", StringComparison.Ordinal).TrimStart('$'), NumberStyles.Number,
            CultureInfo.InvariantCulture, out var value)
            ? value
            : null;

    [GeneratedRegex(@"-?\d[\d,]*(?:\.\d+)?", RegexOptions.CultureInvariant)]
    private static partial Regex Numbers();
}
