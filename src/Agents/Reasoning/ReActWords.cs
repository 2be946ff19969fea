namespace Kotonoha.Agents.Reasoning;

/// <summary>What a ReAct agent says to the model between its steps.</summary>
internal sealed record ReActWords(PromptLanguage Language, string Observation, string Malformed, string LastStep, string SameAction, string Truncated)
{
    private static readonly ReActWords _english = new(
        PromptLanguage.English,
        "Observation:",
        "This step has neither an \"Action:\" nor a \"Final Answer:\". Write one of the two, in exactly the form that was shown.",
        "This is the last step: no tool can be used any more. Write \"Final Answer:\" with the best answer you can give.",
        "This is the same action with the same input as before. Use its result, or try something else.",
        "({0} more characters are left out)");

    private static readonly ReActWords _japanese = new(
        PromptLanguage.Japanese,
        "観察:",
        "この一歩には「行動:」も「最終回答:」もありません。示された形のとおりに、どちらかひとつを書いてください。",
        "これが最後の一歩です。もう道具は使えません。「最終回答:」に続けて、できるかぎりの答えを書いてください。",
        "これは前と同じ行動、同じ入力です。その結果を使うか、別のことを試してください。",
        "（あと {0} 文字は省略）");

    internal static ReActWords For(PromptLanguage language) => language == PromptLanguage.Japanese ? _japanese : _english;
}
