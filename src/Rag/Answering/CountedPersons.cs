using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells those who come, those who work and those who live somewhere apart, where a question asks how many they are: how many people came
/// is not answered by the number of employees.
/// </summary>
internal sealed partial class CountedPersons
{
    private readonly string? _asked;

    internal CountedPersons(Question question)
        => _asked = HowMany().IsMatch(question.Folded) && RolesIn(question.Folded) is [var role] ? role : null;

    /// <summary>Whether a sentence, with the header of its table, speaks of persons of another role alone.</summary>
    internal bool AreOthers(PassageSentence sentence)
        => _asked is not null
            && (RolesIn(sentence.WithHeader) is { Count: > 0 } roles ? !roles.Contains(_asked) : CountsThings().IsMatch(sentence.Folded));

    // "Rooms: 9"
    [GeneratedRegex(@"^\W*(?:number of )?[a-z]{2,}s: ?\d")]
    private static partial Regex CountsThings();

    private static List<string> RolesIn(string folded)
        => [.. Role().Matches(folded).SelectMany(match => match.Groups.Values.Skip(1)).Where(group => group.Success)
            .Select(group => group.Name).Distinct(StringComparer.Ordinal)];

    [GeneratedRegex(@"\bhow (?:many|large|big)\b|\bnumber of\b|何[人名]|人数|[者客員]数|人口")]
    private static partial Regex HowMany();

    [GeneratedRegex(@"\b(?:(?<come>c[ao]mes?|visit(?:s|ed|ors?)?|attend(?:s|ed|ees?|ances?)?|guests?|spectators?|audiences?|admissions?|passengers?"
        + @"|travell?ers?|tourists?|customers?|viewers?)|(?<work>work(?:s|ed|ing|ers?|force)?|employ(?:s|ed|ees?)?|staff|personnel|headcount"
        + "|colleagues?)|(?<live>lives?|lived|living|inhabitants?|residents?|inhabited|population|tenants?))\\b"
        + "|(?<come>訪れ|訪問|来場|来館|来園|来店|来客|入場|入館|入園|観客|乗客|来まし|来た|来訪|利用者|利用し|利用客)"
        + "|(?<work>働|勤務|勤め|職員|従業員|社員|スタッフ|教員|所員|在籍|所属|雇)|(?<live>住(?!所)|暮らし|居住|人口|入居)")]
    private static partial Regex Role();
}
