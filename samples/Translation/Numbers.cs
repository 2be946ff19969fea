using Kotonoha.LocalModel.Training;

namespace Kotonoha.Samples.Translation;

/// <summary>The numbers from 1 to 999 in English words and in Japanese ones, where 十 and 百 stand for places.</summary>
internal static class Numbers
{
    private static readonly string[] Small =
    [
        "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] Tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    private static readonly string[] Digits = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

    /// <summary>All of them, in an order without a pattern.</summary>
    public static IReadOnlyList<TranslationPair> Pairs()
    {
        int[] numbers = [.. Enumerable.Range(1, 999)];
        new Random(1).Shuffle(numbers);
        return [.. numbers.Select(n => new TranslationPair(English(n), Japanese(n)))];
    }

    private static string English(int number) => Joined(
        number >= 100 ? $"{Small[number / 100]} hundred" : "",
        number % 100 < 20 ? Small[number % 100] : $"{Tens[number % 100 / 10]} {Small[number % 10]}".Trim());

    private static string Japanese(int number) => Joined(Place(number / 100, "百"), Place(number / 10 % 10, "十"), Digits[number % 10]);

    // 十, 二 十, 三 十, …: a single ten or hundred has no digit before it.
    private static string Place(int digit, string place) => digit == 0 ? "" : digit == 1 ? place : $"{Digits[digit]} {place}";

    private static string Joined(params string[] parts) => string.Join(' ', parts.Where(p => p.Length > 0));
}
