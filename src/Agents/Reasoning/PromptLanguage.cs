namespace Kotonoha.Agents.Reasoning;

/// <summary>The language in which a strategy speaks to the model.</summary>
public enum PromptLanguage
{
    /// <summary>Japanese where the question holds kana or kanji, else English.</summary>
    Auto,

    /// <summary>English.</summary>
    English,

    /// <summary>Japanese.</summary>
    Japanese,
}
