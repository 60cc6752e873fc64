//! What surrounds the prefix of a caption: an instruction, in the form of conversation that
//! the language model knows, and the place of the prefix in it.

use std::path::Path;

use dl_core::{
    atomic,
    fault::{ConfigError, check},
};
use minijinja::{Environment, Error, ErrorKind, context, syntax::SyntaxConfig};
use serde::{Deserialize, Serialize};

use crate::{CaptionTokenizer, LanguageModel, LlmError, ModelFiles};

const PREFIX: &str = "{prefix}";
const INSTRUCTION: &str = "{instruction}";
const BOS: &str = "{bos}";
const TEMPLATE: &str = "chat_template.jinja";

/// The form of the conversation: `"plain"`, `"user_assistant"`, `"model"`, or a text with
/// `{prefix}` and, where they are wanted, `{instruction}` and `{bos}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PromptForm {
    /// The prefix and the mark that begins a text; no instruction. For models trained on
    /// captions alone.
    #[default]
    Plain,
    /// The prefix, then `USER: <instruction> \n ASSISTANT:`, as in DRCap's recipe for Vicuna.
    UserAssistant,
    /// What the model's own chat template makes of a user who says the prefix and, in a new
    /// line, the instruction.
    Model,
    /// As written.
    Text(String),
}

impl TryFrom<String> for PromptForm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "plain" => Ok(Self::Plain),
            "user_assistant" => Ok(Self::UserAssistant),
            "model" => Ok(Self::Model),
            _ if text.matches(PREFIX).count() == 1 => Ok(Self::Text(text)),
            _ => Err(format!(
                "unknown form '{text}': use plain, user_assistant, model, or a text with {PREFIX} \
                 in it once"
            )),
        }
    }
}

impl From<PromptForm> for String {
    fn from(form: PromptForm) -> Self {
        match form {
            PromptForm::Plain => "plain".into(),
            PromptForm::UserAssistant => "user_assistant".into(),
            PromptForm::Model => "model".into(),
            PromptForm::Text(text) => text,
        }
    }
}

/// What the model is told beside the prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptConfig {
    /// The form of the conversation.
    pub form: PromptForm,
    /// The instruction; the default is the one of the paper.
    pub instruction: String,
}

impl Default for PromptConfig {
    fn default() -> Self {
        Self { form: PromptForm::Plain, instruction: "Describe the audio you hear.".into() }
    }
}

impl PromptConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let free = !self.instruction.contains(PREFIX) && !self.instruction.contains(BOS);
        let range = format!("a text without {PREFIX} and {BOS}");
        check(free, "instruction", &self.instruction, range)
    }

    /// Whether anything may stand before the prefix.
    pub(crate) fn may_begin_before_prefix(&self) -> bool {
        match &self.form {
            PromptForm::Plain | PromptForm::UserAssistant => false,
            PromptForm::Model => true,
            PromptForm::Text(text) => !text.starts_with(PREFIX),
        }
    }

    /// The tokens before and behind the prefix, for `lm`. At least one is behind it.
    pub(crate) fn tokens(&self, lm: &LanguageModel) -> Result<Prompt, LlmError> {
        self.validate()?;
        let template = match &self.form {
            PromptForm::Plain => format!("{PREFIX}{BOS}"),
            PromptForm::UserAssistant => {
                format!("{PREFIX}{BOS}USER: {INSTRUCTION} \n ASSISTANT:")
            }
            PromptForm::Model => {
                let chat = lm.chat().ok_or_else(|| {
                    LlmError::Input(
                        "form = model, but the language model has no chat template; use \
                         user_assistant, plain or a text of your own"
                            .into(),
                    )
                })?;
                chat.user(&format!("{PREFIX}\n{INSTRUCTION}"))?
            }
            PromptForm::Text(text) => text.clone(),
        };
        let filled = template.replace(INSTRUCTION, &self.instruction);
        let (before, after) = filled.split_once(PREFIX).ok_or_else(|| {
            LlmError::Input(format!("the chat template leaves {PREFIX} out of the conversation"))
        })?;
        let (before, after) = (pieces(before, lm.tokenizer())?, pieces(after, lm.tokenizer())?);
        if after.is_empty() {
            return Err(LlmError::Input(format!(
                "form = {}: something must stand between {PREFIX} and the caption; {BOS} will do",
                String::from(self.form.clone())
            )));
        }
        Ok(Prompt { before, after })
    }
}

/// The tokens of a text in which [`BOS`] stands for the mark that begins texts.
fn pieces(text: &str, tokenizer: &CaptionTokenizer) -> Result<Vec<u32>, LlmError> {
    let mut tokens = Vec::new();
    for (place, part) in text.split(BOS).enumerate() {
        if place > 0 {
            tokens.push(tokenizer.marks().bos);
        }
        if !part.is_empty() {
            tokens.extend(tokenizer.encode_with_marks(part)?);
        }
    }
    Ok(tokens)
}

/// The tokens around a prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) before: Vec<u32>,
    /// At least one.
    pub(crate) after: Vec<u32>,
}

impl Prompt {
    /// The token that stands right before the caption.
    pub(crate) fn start(&self) -> u32 {
        self.after.last().copied().unwrap_or_default()
    }

    /// Those between the prefix and that one.
    pub(crate) fn between(&self) -> &[u32] {
        self.after.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Number of tokens around the prefix.
    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

/// A model's own chat template, in the template language of published models (Jinja).
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    template: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template that the files of a model hold, if any.
    pub(crate) fn of_model(
        files: &ModelFiles,
        tokenizer: &CaptionTokenizer,
    ) -> Result<Option<Self>, LlmError> {
        let template = match &files.gguf {
            Some(metadata) => metadata
                .get("tokenizer.chat_template")
                .and_then(|text| text.as_str().map(Into::into)),
            None => published(files.path())?,
        };
        let spell = |id| tokenizer.spelling(id).unwrap_or_default();
        let marks = tokenizer.marks();
        Ok(template.map(|template| Self { template, bos: spell(marks.bos), eos: spell(marks.eos) }))
    }

    /// Writes it beside a saved model.
    pub(crate) fn save(&self, directory: &Path) -> Result<(), LlmError> {
        let path = directory.join(TEMPLATE);
        atomic::write_bytes(&path, self.template.as_bytes())
            .map_err(|error| LlmError::io(&path, error))
    }

    /// What the model reads when a user says `content` and it is to answer.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the template cannot be filled in.
    pub fn user(&self, content: &str) -> Result<String, LlmError> {
        let failed = |error: Error| {
            let line = error.to_string();
            let line = line.lines().next().unwrap_or_default().to_owned();
            LlmError::Input(format!("the model's chat template cannot be filled in ({line})"))
        };
        let mut environment = Environment::new();
        let lines = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(lines.map_err(&failed)?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |text: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, text))
        });
        // Some templates tell the model the date: the same one always, so that a caption does
        // not depend on the day.
        environment.add_function("strftime_now", |_: String| "26 Jul 2024");
        environment
            .render_str(
                &self.template,
                context! {
                    messages => [context! { role => "user", content => content }],
                    add_generation_prompt => true,
                    bos_token => self.bos.as_str(),
                    eos_token => self.eos.as_str(),
                },
            )
            .map_err(failed)
    }
}

/// The template of a published directory: in a file of its own, or in `tokenizer_config.json`.
fn published(directory: &Path) -> Result<Option<String>, LlmError> {
    let read = |name: &str| -> Result<Option<String>, LlmError> {
        let path = directory.join(name);
        if !path.exists() {
            return Ok(None);
        }
        std::fs::read_to_string(&path).map(Some).map_err(|error| LlmError::io(&path, error))
    };
    if let Some(template) = read(TEMPLATE)? {
        return Ok(Some(template));
    }
    let Some(text) = read("tokenizer_config.json")? else { return Ok(None) };
    let path = directory.join("tokenizer_config.json");
    let file: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| LlmError::file(&path, format!("not JSON ({error})")))?;
    let template = &file["chat_template"];
    // A list of named templates has one for plain conversations.
    let named = template.as_array().and_then(|list| {
        list.iter().find(|one| one["name"] == "default").and_then(|one| one["template"].as_str())
    });
    Ok(template.as_str().or(named).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_round_trip_and_others_are_refused() {
        for name in ["plain", "user_assistant", "model", "{bos}Sound: {prefix} In words:"] {
            let form = PromptForm::try_from(name.to_owned()).unwrap();
            assert_eq!(String::from(form), name);
        }
        for name in ["vicuna", "", "{prefix} and {prefix}"] {
            let error = PromptForm::try_from(name.to_owned()).unwrap_err();
            assert!(error.contains("use plain, user_assistant, model, or a text"), "{error}");
        }
    }

    #[test]
    fn a_template_by_hand() {
        let template = "{% for message in messages %}{% if message['role'] == 'user' %}\n\
                        {{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}\n\
                        {% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'A:' }}{% endif %}";
        let chat =
            ChatTemplate { template: template.into(), bos: "<s>".into(), eos: "</s>".into() };
        assert_eq!(chat.user(" hello ").unwrap(), "<s>[INST] hello [/INST]\nA:");
        let broken = ChatTemplate { template: "{{ raise_exception('no') }}".into(), ..chat };
        let error = broken.user("x").unwrap_err().to_string();
        assert!(error.contains("cannot be filled in") && error.contains("no"), "{error}");
    }
}
